# SPDX-License-Identifier: Apache-2.0
RPC_TESTS = \
	tests/unit/rpc/test_client \
	tests/unit/rpc/test_dispatch \
	tests/unit/rpc/test_message \
	tests/unit/rpc/test_pipe \
	tests/unit/rpc/test_server \
	tests/unit/rpc/test_status \
	tests/unit/rpc/test_to_pipe
check_PROGRAMS += $(RPC_TESTS)
TESTS += $(RPC_TESTS)

rpc_fixture = tests/unit/rpc/fixture.c tests/unit/rpc/fixture.h
rpc_test_libs = librpc.a libproto.a libprotogen.a libasync.a libbase.a \
	$(PROTOBUF_C_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_rpc_test_client_SOURCES = tests/unit/rpc/test_client.c $(rpc_fixture)
tests_unit_rpc_test_client_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_dispatch_SOURCES = tests/unit/rpc/test_dispatch.c
tests_unit_rpc_test_dispatch_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_message_SOURCES = tests/unit/rpc/test_message.c
tests_unit_rpc_test_message_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_pipe_SOURCES = tests/unit/rpc/test_pipe.c $(rpc_fixture)
tests_unit_rpc_test_pipe_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_server_SOURCES = tests/unit/rpc/test_server.c $(rpc_fixture)
tests_unit_rpc_test_server_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_status_SOURCES = tests/unit/rpc/test_status.c
tests_unit_rpc_test_status_LDADD = $(rpc_test_libs)
tests_unit_rpc_test_to_pipe_SOURCES = tests/unit/rpc/test_to_pipe.c $(rpc_fixture)
tests_unit_rpc_test_to_pipe_LDADD = $(rpc_test_libs)

# SPDX-License-Identifier: Apache-2.0
proto_test_libs = libproto.a libprotogen.a libbase.a $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

PROTO_TESTS = \
	tests/unit/proto/test_any \
	tests/unit/proto/test_envelope \
	tests/unit/proto/test_frame \
	tests/unit/proto/test_proto
check_PROGRAMS += $(PROTO_TESTS)
TESTS += $(PROTO_TESTS)
tests_unit_proto_test_any_SOURCES = tests/unit/proto/test_any.c
tests_unit_proto_test_any_LDADD = $(proto_test_libs)
tests_unit_proto_test_envelope_SOURCES = tests/unit/proto/test_envelope.c
tests_unit_proto_test_envelope_LDADD = $(proto_test_libs)
tests_unit_proto_test_frame_SOURCES = tests/unit/proto/test_frame.c
tests_unit_proto_test_frame_LDADD = $(proto_test_libs)
tests_unit_proto_test_proto_SOURCES = tests/unit/proto/test_proto.c
tests_unit_proto_test_proto_LDADD = $(proto_test_libs)

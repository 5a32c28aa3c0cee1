# SPDX-License-Identifier: Apache-2.0
# Messages as JSON, apart so that a test can link them.
noinst_LIBRARIES += libmessagejson.a
libmessagejson_a_SOURCES = \
	tests/agentctl/base64.c tests/agentctl/base64.h \
	tests/agentctl/message_json.c tests/agentctl/message_json.h

noinst_PROGRAMS += tests/agentctl/agentctl
tests_agentctl_agentctl_SOURCES = tests/agentctl/agentctl.c
tests_agentctl_agentctl_LDADD = libmessagejson.a liboci.a librpc.a libnet.a libasync.a libjson.a \
	libproto.a libprotogen.a libbase.a $(PROTOBUF_C_LIBS) $(YAJL_LIBS) $(UV_LIBS)

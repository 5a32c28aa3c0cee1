# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/agentctl/test_message_json
TESTS += tests/unit/agentctl/test_message_json
tests_unit_agentctl_test_message_json_SOURCES = tests/unit/agentctl/test_message_json.c
tests_unit_agentctl_test_message_json_LDADD = libmessagejson.a libjson.a libprotogen.a libbase.a \
	$(PROTOBUF_C_LIBS) $(YAJL_LIBS) $(CMOCKA_LIBS)

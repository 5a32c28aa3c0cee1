# SPDX-License-Identifier: Apache-2.0
json_test_libs = libjson.a libbase.a $(YAJL_LIBS) $(CMOCKA_LIBS)
JSON_TESTS = \
	tests/unit/json/test_parse \
	tests/unit/json/test_read \
	tests/unit/json/test_write
check_PROGRAMS += $(JSON_TESTS)
TESTS += $(JSON_TESTS)
tests_unit_json_test_parse_SOURCES = tests/unit/json/test_parse.c
tests_unit_json_test_parse_LDADD = $(json_test_libs)
tests_unit_json_test_read_SOURCES = tests/unit/json/test_read.c
tests_unit_json_test_read_LDADD = $(json_test_libs)
tests_unit_json_test_write_SOURCES = tests/unit/json/test_write.c
tests_unit_json_test_write_LDADD = $(json_test_libs)

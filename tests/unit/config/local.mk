# SPDX-License-Identifier: Apache-2.0
CONFIG_TESTS = \
	tests/unit/config/test_annotations \
	tests/unit/config/test_load \
	tests/unit/config/test_sizing \
	tests/unit/config/test_table \
	tests/unit/config/test_toml
check_PROGRAMS += $(CONFIG_TESTS) tests/unit/config/toml_decoder
TESTS += $(CONFIG_TESTS)

config_test_libs = libconfig.a libbase.a $(CMOCKA_LIBS)
tests_unit_config_test_annotations_SOURCES = tests/unit/config/test_annotations.c
tests_unit_config_test_annotations_LDADD = $(config_test_libs)
tests_unit_config_test_sizing_SOURCES = tests/unit/config/test_sizing.c
tests_unit_config_test_sizing_LDADD = $(config_test_libs)
tests_unit_config_test_load_SOURCES = tests/unit/config/test_load.c
tests_unit_config_test_load_LDADD = $(config_test_libs)
tests_unit_config_test_table_SOURCES = tests/unit/config/test_table.c
tests_unit_config_test_table_LDADD = $(config_test_libs)
tests_unit_config_test_toml_SOURCES = tests/unit/config/test_toml.c
tests_unit_config_test_toml_LDADD = $(config_test_libs)
# What the public toml-test cases are run through: tests/component/toml-test.sh.
tests_unit_config_toml_decoder_SOURCES = tests/unit/config/toml_decoder.c
tests_unit_config_toml_decoder_LDADD = libconfig.a libbase.a

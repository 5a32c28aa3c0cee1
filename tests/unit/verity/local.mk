# SPDX-License-Identifier: Apache-2.0
VERITY_TESTS = \
	tests/unit/verity/test_options \
	tests/unit/verity/test_superblock \
	tests/unit/verity/test_veritysetup
check_PROGRAMS += $(VERITY_TESTS)
TESTS += $(VERITY_TESTS)
verity_test_libs = libverity.a libbase.a $(CMOCKA_LIBS)
tests_unit_verity_test_options_SOURCES = tests/unit/verity/test_options.c
tests_unit_verity_test_options_LDADD = $(verity_test_libs)
tests_unit_verity_test_superblock_SOURCES = tests/unit/verity/test_superblock.c
tests_unit_verity_test_superblock_LDADD = $(verity_test_libs)
tests_unit_verity_test_veritysetup_SOURCES = tests/unit/verity/test_veritysetup.c
tests_unit_verity_test_veritysetup_LDADD = $(verity_test_libs)

# SPDX-License-Identifier: Apache-2.0
BASE_TESTS = \
	tests/unit/base/test_err \
	tests/unit/base/test_fd \
	tests/unit/base/test_id \
	tests/unit/base/test_log \
	tests/unit/base/test_mem \
	tests/unit/base/test_num \
	tests/unit/base/test_path \
	tests/unit/base/test_undo \
	tests/unit/base/test_userns \
	tests/unit/base/test_utf8
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)

base_test_libs = libbase.a $(CMOCKA_LIBS)
tests_unit_base_test_err_SOURCES = tests/unit/base/test_err.c tests/lib/test.h
tests_unit_base_test_err_LDADD = $(base_test_libs)
tests_unit_base_test_fd_SOURCES = tests/unit/base/test_fd.c
tests_unit_base_test_fd_LDADD = $(base_test_libs)
tests_unit_base_test_id_SOURCES = tests/unit/base/test_id.c
tests_unit_base_test_id_LDADD = $(base_test_libs)
tests_unit_base_test_log_SOURCES = tests/unit/base/test_log.c
tests_unit_base_test_log_LDADD = $(base_test_libs)
tests_unit_base_test_mem_SOURCES = tests/unit/base/test_mem.c
tests_unit_base_test_mem_LDADD = $(base_test_libs)
tests_unit_base_test_num_SOURCES = tests/unit/base/test_num.c
tests_unit_base_test_num_LDADD = $(base_test_libs)
tests_unit_base_test_path_SOURCES = tests/unit/base/test_path.c
tests_unit_base_test_path_LDADD = $(base_test_libs)
tests_unit_base_test_undo_SOURCES = tests/unit/base/test_undo.c
tests_unit_base_test_undo_LDADD = $(base_test_libs)
tests_unit_base_test_userns_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
tests_unit_base_test_userns_SOURCES = tests/unit/base/test_userns.c tests/lib/test.h
tests_unit_base_test_userns_LDADD = $(base_test_libs) $(SECCOMP_LIBS)
tests_unit_base_test_utf8_SOURCES = tests/unit/base/test_utf8.c
tests_unit_base_test_utf8_LDADD = $(base_test_libs)

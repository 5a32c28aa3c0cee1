# SPDX-License-Identifier: Apache-2.0
CTL_TESTS = \
	tests/unit/ctl/test_checks \
	tests/unit/ctl/test_console \
	tests/unit/ctl/test_sandboxes
check_PROGRAMS += $(CTL_TESTS)
TESTS += $(CTL_TESTS)

ctl_test_libs = libctl.a libhypervisor.a libhost.a libconfig.a libjson.a libasync.a libbase.a \
	$(YAJL_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_ctl_test_checks_SOURCES = tests/unit/ctl/test_checks.c
tests_unit_ctl_test_checks_LDADD = $(ctl_test_libs)
tests_unit_ctl_test_console_SOURCES = tests/unit/ctl/test_console.c
tests_unit_ctl_test_console_LDADD = libnet.a libasync.a libbase.a $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_ctl_test_sandboxes_SOURCES = tests/unit/ctl/test_sandboxes.c
tests_unit_ctl_test_sandboxes_LDADD = $(ctl_test_libs)

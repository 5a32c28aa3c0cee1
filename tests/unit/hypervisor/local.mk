# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/hypervisor/test_host
TESTS += tests/unit/hypervisor/test_host
tests_unit_hypervisor_test_host_SOURCES = tests/unit/hypervisor/test_host.c
tests_unit_hypervisor_test_host_LDADD = libhost.a libbase.a $(CMOCKA_LIBS)

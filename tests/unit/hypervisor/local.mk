# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/hypervisor/test_host
TESTS += tests/unit/hypervisor/test_host
tests_unit_hypervisor_test_host_SOURCES = tests/unit/hypervisor/test_host.c
tests_unit_hypervisor_test_host_LDADD = libhost.a libbase.a $(CMOCKA_LIBS)

HYPERVISOR_TESTS = \
	tests/unit/hypervisor/test_args \
	tests/unit/hypervisor/test_confine \
	tests/unit/hypervisor/test_console \
	tests/unit/hypervisor/test_disk_parts \
	tests/unit/hypervisor/test_grow \
	tests/unit/hypervisor/test_hotplug \
	tests/unit/hypervisor/test_qmp \
	tests/unit/hypervisor/test_record \
	tests/unit/hypervisor/test_start \
	tests/unit/hypervisor/test_tsc \
	tests/unit/hypervisor/test_unplug \
	tests/unit/hypervisor/test_virtiofsd \
	tests/unit/hypervisor/test_vsock
check_PROGRAMS += $(HYPERVISOR_TESTS)
TESTS += $(HYPERVISOR_TESTS)

hypervisor_test_libs = libhypervisor.a libhost.a libconfig.a libnet.a libjson.a libasync.a libbase.a \
	$(UV_LIBS) $(YAJL_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)
tests_unit_hypervisor_test_args_SOURCES = tests/unit/hypervisor/test_args.c
tests_unit_hypervisor_test_args_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_confine_SOURCES = tests/unit/hypervisor/test_confine.c
tests_unit_hypervisor_test_confine_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_console_SOURCES = tests/unit/hypervisor/test_console.c
tests_unit_hypervisor_test_console_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_disk_parts_SOURCES = tests/unit/hypervisor/test_disk_parts.c
tests_unit_hypervisor_test_disk_parts_LDADD = $(hypervisor_test_libs)
hotplug_case_sources = \
	tests/unit/hypervisor/fake_qemu.c tests/unit/hypervisor/fake_qemu.h \
	tests/unit/hypervisor/hotplug_case.c tests/unit/hypervisor/hotplug_case.h
tests_unit_hypervisor_test_grow_SOURCES = tests/unit/hypervisor/test_grow.c \
	$(hotplug_case_sources)
tests_unit_hypervisor_test_grow_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_hotplug_SOURCES = tests/unit/hypervisor/test_hotplug.c \
	$(hotplug_case_sources)
tests_unit_hypervisor_test_hotplug_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_unplug_SOURCES = tests/unit/hypervisor/test_unplug.c \
	$(hotplug_case_sources)
tests_unit_hypervisor_test_unplug_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_vsock_SOURCES = tests/unit/hypervisor/test_vsock.c \
	$(hotplug_case_sources)
tests_unit_hypervisor_test_vsock_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_qmp_SOURCES = tests/unit/hypervisor/test_qmp.c
tests_unit_hypervisor_test_qmp_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_record_SOURCES = tests/unit/hypervisor/test_record.c
tests_unit_hypervisor_test_record_LDADD = $(hypervisor_test_libs)
tests_unit_hypervisor_test_start_SOURCES = tests/unit/hypervisor/test_start.c
tests_unit_hypervisor_test_start_LDADD = $(hypervisor_test_libs)
# What the driver asks of the host goes through the test first.
tests_unit_hypervisor_test_start_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=child_spawn -Wl,--wrap=confine_new -Wl,--wrap=file_replace -Wl,--wrap=mkdir \
	-Wl,--wrap=pipe2 -Wl,--wrap=socketpair -Wl,--wrap=unix_listen
tests_unit_hypervisor_test_virtiofsd_SOURCES = tests/unit/hypervisor/test_virtiofsd.c
tests_unit_hypervisor_test_virtiofsd_LDADD = $(hypervisor_test_libs)
EXTRA_DIST += \
	tests/unit/hypervisor/golden/growing.args \
	tests/unit/hypervisor/golden/hybrid-vsock-debug.args \
	tests/unit/hypervisor/golden/nics.args \
	tests/unit/hypervisor/golden/serial-debug-share.args \
	tests/unit/hypervisor/golden/smallest.args \
	tests/unit/hypervisor/golden/user-nics.args \
	tests/unit/hypervisor/golden/user-nics-passt.args \
	tests/unit/hypervisor/golden/vsock-kvm-share.args
tests_unit_hypervisor_test_tsc_SOURCES = tests/unit/hypervisor/test_tsc.c
tests_unit_hypervisor_test_tsc_LDADD = $(hypervisor_test_libs)

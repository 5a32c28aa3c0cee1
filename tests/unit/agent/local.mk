# SPDX-License-Identifier: Apache-2.0

# What the stage and the cgroups are made of, as far as it is pure.
STAGE_UNIT_LIBS = libstage.a libagentcgroup.a liboci.a libasync.a libjson.a libprotogen.a libbase.a \
	$(STAGE_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
STAGE_UNIT_TESTS = \
	tests/unit/agent/test_cgroup \
	tests/unit/agent/test_cgroup_v1 \
	tests/unit/agent/test_confine \
	tests/unit/agent/test_devices \
	tests/unit/agent/test_mount_attr \
	tests/unit/agent/test_mounts \
	tests/unit/agent/test_program \
	tests/unit/agent/test_sysctl
check_PROGRAMS += $(STAGE_UNIT_TESTS)
TESTS += $(STAGE_UNIT_TESTS)
tests_unit_agent_test_cgroup_SOURCES = tests/unit/agent/test_cgroup.c
tests_unit_agent_test_cgroup_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_cgroup_v1_SOURCES = tests/unit/agent/test_cgroup_v1.c
tests_unit_agent_test_cgroup_v1_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_devices_SOURCES = tests/unit/agent/test_devices.c
tests_unit_agent_test_devices_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_confine_SOURCES = tests/unit/agent/test_confine.c
tests_unit_agent_test_confine_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_mount_attr_SOURCES = tests/unit/agent/test_mount_attr.c
tests_unit_agent_test_mount_attr_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_mounts_SOURCES = tests/unit/agent/test_mounts.c
tests_unit_agent_test_mounts_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_program_SOURCES = tests/unit/agent/test_program.c
tests_unit_agent_test_program_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_sysctl_SOURCES = tests/unit/agent/test_sysctl.c
tests_unit_agent_test_sysctl_LDADD = $(STAGE_UNIT_LIBS)

AGENT_TESTS = \
	tests/unit/agent/test_cmdline \
	tests/unit/agent/test_guest_hooks \
	tests/unit/agent/test_host_devices \
	tests/unit/agent/test_host_path \
	tests/unit/agent/test_hugepages \
	tests/unit/agent/test_layers_plan \
	tests/unit/agent/test_copy_file \
	tests/unit/agent/test_metrics \
	tests/unit/agent/test_mirror \
	tests/unit/agent/test_mount_options \
	tests/unit/agent/test_online \
	tests/unit/agent/test_projection \
	tests/unit/agent/test_storage \
	tests/unit/agent/test_streams
check_PROGRAMS += $(AGENT_TESTS)
TESTS += $(AGENT_TESTS)

agent_test_libs = libagent.a libstage.a libdevice.a libverity.a liboci.a libasync.a libjson.a libprotogen.a libbase.a $(PROTOBUF_C_LIBS) $(UV_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_agent_test_cmdline_SOURCES = tests/unit/agent/test_cmdline.c
tests_unit_agent_test_cmdline_LDADD = $(agent_test_libs)
tests_unit_agent_test_guest_hooks_SOURCES = tests/unit/agent/test_guest_hooks.c
tests_unit_agent_test_guest_hooks_LDADD = $(agent_test_libs)
tests_unit_agent_test_host_devices_SOURCES = tests/unit/agent/test_host_devices.c
tests_unit_agent_test_host_devices_LDADD = $(agent_test_libs)
tests_unit_agent_test_host_path_SOURCES = tests/unit/agent/test_host_path.c
tests_unit_agent_test_host_path_LDADD = $(agent_test_libs)
tests_unit_agent_test_hugepages_SOURCES = tests/unit/agent/test_hugepages.c
tests_unit_agent_test_hugepages_LDADD = $(agent_test_libs)
tests_unit_agent_test_layers_plan_SOURCES = tests/unit/agent/test_layers_plan.c
tests_unit_agent_test_layers_plan_LDADD = $(agent_test_libs)
tests_unit_agent_test_mirror_SOURCES = tests/unit/agent/test_mirror.c
tests_unit_agent_test_mirror_LDADD = $(agent_test_libs)
# What acquires is wrapped so that it can fail.
tests_unit_agent_test_projection_SOURCES = tests/unit/agent/test_projection.c
tests_unit_agent_test_projection_LDADD = $(agent_test_libs)
tests_unit_agent_test_projection_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mkdirat -Wl,--wrap=openat -Wl,--wrap=write \
	-Wl,--wrap=fchown -Wl,--wrap=fchmod -Wl,--wrap=symlinkat -Wl,--wrap=renameat
tests_unit_agent_test_online_SOURCES = tests/unit/agent/test_online.c
tests_unit_agent_test_online_LDADD = $(agent_test_libs)
tests_unit_agent_test_mount_options_SOURCES = tests/unit/agent/test_mount_options.c
tests_unit_agent_test_mount_options_LDADD = $(agent_test_libs)
tests_unit_agent_test_copy_file_SOURCES = tests/unit/agent/test_copy_file.c
tests_unit_agent_test_copy_file_LDADD = $(agent_test_libs)
tests_unit_agent_test_metrics_SOURCES = tests/unit/agent/test_metrics.c
tests_unit_agent_test_metrics_LDADD = $(agent_test_libs)
tests_unit_agent_test_storage_SOURCES = tests/unit/agent/test_storage.c
tests_unit_agent_test_storage_LDADD = $(agent_test_libs)
tests_unit_agent_test_streams_SOURCES = tests/unit/agent/test_streams.c
tests_unit_agent_test_streams_LDADD = $(agent_test_libs)

# A container whose cgroup and processes are the test's.
PAUSE_TESTS = tests/unit/agent/test_pause
check_PROGRAMS += $(PAUSE_TESTS)
TESTS += $(PAUSE_TESTS)
tests_unit_agent_test_pause_SOURCES = tests/unit/agent/test_pause.c
tests_unit_agent_test_pause_LDADD = $(AGENT_ARCHIVES) $(STAGE_LIBS) $(NL_LIBS) $(UV_LIBS) \
	$(DEVMAPPER_LIBS) $(CMOCKA_LIBS)
tests_unit_agent_test_pause_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=cgroup_freeze -Wl,--wrap=cgroup_thaw \
	-Wl,--wrap=cgroup_path -Wl,--wrap=cgroup_files -Wl,--wrap=cgroup_exec_fd \
	-Wl,--wrap=process_start -Wl,--wrap=process_create -Wl,--wrap=process_release

DEVICE_TESTS = \
	tests/unit/agent/test_device_watch \
	tests/unit/agent/test_passthrough \
	tests/unit/agent/test_pci_path \
	tests/unit/agent/test_uevent
check_PROGRAMS += $(DEVICE_TESTS)
TESTS += $(DEVICE_TESTS)
device_test_libs = libdevice.a libasync.a libbase.a $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_agent_test_device_watch_SOURCES = tests/unit/agent/test_device_watch.c \
	tests/unit/agent/device_tree.c tests/unit/agent/device_tree.h
tests_unit_agent_test_device_watch_LDADD = $(device_test_libs)
tests_unit_agent_test_passthrough_SOURCES = tests/unit/agent/test_passthrough.c \
	tests/unit/agent/device_tree.c tests/unit/agent/device_tree.h
tests_unit_agent_test_passthrough_LDADD = $(device_test_libs)
tests_unit_agent_test_pci_path_SOURCES = tests/unit/agent/test_pci_path.c \
	tests/unit/agent/device_tree.c tests/unit/agent/device_tree.h
tests_unit_agent_test_pci_path_LDADD = $(device_test_libs)
tests_unit_agent_test_uevent_SOURCES = tests/unit/agent/test_uevent.c
tests_unit_agent_test_uevent_LDADD = $(device_test_libs)

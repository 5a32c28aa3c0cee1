# SPDX-License-Identifier: Apache-2.0
# What runs a sandbox: shim/agent, io, sandbox, storage.
SANDBOX_TESTS = \
	tests/unit/shim/test_dan \
	tests/unit/shim/test_endpoint \
	tests/unit/shim/test_empty_dir \
	tests/unit/shim/test_hooks \
	tests/unit/shim/test_gpt \
	tests/unit/shim/test_host_cgroup \
	tests/unit/shim/test_layer_disk \
	tests/unit/shim/test_mount_options \
	tests/unit/shim/test_network \
	tests/unit/shim/test_network_faults \
	tests/unit/shim/test_projection \
	tests/unit/shim/test_projections \
	tests/unit/shim/test_resources \
	tests/unit/shim/test_rootfs \
	tests/unit/shim/test_rootfs_guest \
	tests/unit/shim/test_rootfs_plan \
	tests/unit/shim/test_sandbox \
	tests/unit/shim/test_sandbox_crash \
	tests/unit/shim/test_sandbox_ends \
	tests/unit/shim/test_sandbox_files \
	tests/unit/shim/test_size \
	tests/unit/shim/test_spec_guest \
	tests/unit/shim/test_stdio \
	tests/unit/shim/test_stdio_uris \
	tests/unit/shim/test_user_net \
	tests/unit/shim/test_volume_copy \
	tests/unit/shim/test_volume_disk \
	tests/unit/shim/test_volumes
check_PROGRAMS += $(SANDBOX_TESTS)
TESTS += $(SANDBOX_TESTS)

sandbox_test_common = libconfig.a libverity.a libnet.a librpc.a libproto.a liboci.a libjson.a libprotogen.a libasync.a \
	libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS) $(UV_LIBS) $(NL_LIBS) $(CMOCKA_LIBS)
agent_peer_files = tests/unit/shim/agent_peer.c tests/unit/shim/agent_peer.h

tests_unit_shim_test_empty_dir_SOURCES = tests/unit/shim/test_empty_dir.c \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_empty_dir_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_hooks_SOURCES = tests/unit/shim/test_hooks.c
tests_unit_shim_test_hooks_LDADD = libshimsandbox.a libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_gpt_SOURCES = tests/unit/shim/test_gpt.c
tests_unit_shim_test_gpt_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_layer_disk_SOURCES = tests/unit/shim/test_layer_disk.c
tests_unit_shim_test_layer_disk_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_host_cgroup_SOURCES = tests/unit/shim/test_host_cgroup.c
tests_unit_shim_test_host_cgroup_LDADD = libshimsandbox.a libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_mount_options_SOURCES = tests/unit/shim/test_mount_options.c
tests_unit_shim_test_mount_options_LDADD = libshimio.a libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_dan_SOURCES = tests/unit/shim/test_dan.c
tests_unit_shim_test_dan_LDADD = libshimnet.a libnetlink.a $(sandbox_test_common)

tests_unit_shim_test_user_net_SOURCES = tests/unit/shim/test_user_net.c
tests_unit_shim_test_user_net_LDADD = libshimnet.a libnetlink.a $(sandbox_test_common)

netns_case_files = tests/unit/shim/netns_case.c tests/unit/shim/netns_case.h
tests_unit_shim_test_network_SOURCES = tests/unit/shim/test_network.c $(netns_case_files) \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_network_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) $(NL_CFLAGS)
tests_unit_shim_test_network_LDADD = libshimnet.a libshimagent.a libnetlink.a $(sandbox_test_common)
tests_unit_shim_test_network_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=rtnl_link_alloc_cache

# The machine is the test's own; what acquires is wrapped so that it can fail.
tests_unit_shim_test_network_faults_SOURCES = tests/unit/shim/test_network_faults.c $(netns_case_files)
tests_unit_shim_test_network_faults_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) $(NL_CFLAGS)
tests_unit_shim_test_network_faults_LDADD = libshimnet.a libshimagent.a libnetlink.a $(sandbox_test_common)
tests_unit_shim_test_network_faults_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=ioctl -Wl,--wrap=nl_connect \
	-Wl,--wrap=rtnl_link_alloc_cache -Wl,--wrap=rtnl_link_get_kernel -Wl,--wrap=rtnl_link_add \
	-Wl,--wrap=rtnl_link_change -Wl,--wrap=rtnl_qdisc_add -Wl,--wrap=rtnl_cls_add \
	-Wl,--wrap=fsopen -Wl,--wrap=fsmount -Wl,--wrap=mknodat \
	-Wl,--wrap=agent_update_interface -Wl,--wrap=agent_update_routes -Wl,--wrap=agent_add_neighbors

tests_unit_shim_test_projection_SOURCES = tests/unit/shim/test_projection.c \
	tests/unit/shim/projected_volume.c tests/unit/shim/projected_volume.h
tests_unit_shim_test_projection_LDADD = libshimstorage.a $(sandbox_test_common)
tests_unit_shim_test_projections_SOURCES = tests/unit/shim/test_projections.c \
	tests/unit/shim/projected_volume.c tests/unit/shim/projected_volume.h
tests_unit_shim_test_projections_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_resources_SOURCES = tests/unit/shim/test_resources.c \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_resources_LDADD = $(SHIM_SANDBOX_LIBS) libconfig.a $(sandbox_test_common)

tests_unit_shim_test_rootfs_guest_SOURCES = tests/unit/shim/test_rootfs_guest.c \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_rootfs_guest_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_volume_copy_SOURCES = tests/unit/shim/test_volume_copy.c
tests_unit_shim_test_volume_copy_LDADD = libshimstorage.a $(sandbox_test_common)
tests_unit_shim_test_volume_copy_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fstatat -Wl,--wrap=fstat -Wl,--wrap=openat \
	-Wl,--wrap=readdir -Wl,--wrap=readlinkat -Wl,--wrap=close

tests_unit_shim_test_volume_disk_SOURCES = tests/unit/shim/test_volume_disk.c \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_volume_disk_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_rootfs_plan_SOURCES = tests/unit/shim/test_rootfs_plan.c
tests_unit_shim_test_rootfs_plan_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_size_SOURCES = tests/unit/shim/test_size.c
tests_unit_shim_test_size_LDADD = libshimsandbox.a $(sandbox_test_common)

tests_unit_shim_test_spec_guest_SOURCES = tests/unit/shim/test_spec_guest.c \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_spec_guest_LDADD = libshimsandbox.a libshimstorage.a $(sandbox_test_common)

stdio_case_files = tests/unit/shim/stdio_case.c tests/unit/shim/stdio_case.h $(agent_peer_files)
tests_unit_shim_test_stdio_SOURCES = tests/unit/shim/test_stdio.c $(stdio_case_files)
tests_unit_shim_test_stdio_LDADD = libshimio.a libshimagent.a $(sandbox_test_common)
tests_unit_shim_test_stdio_uris_SOURCES = tests/unit/shim/test_stdio_uris.c $(stdio_case_files)
tests_unit_shim_test_stdio_uris_LDADD = libshimio.a libshimagent.a $(sandbox_test_common)

storage_case_files = tests/unit/shim/storage_case.c tests/unit/shim/storage_case.h \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
tests_unit_shim_test_rootfs_SOURCES = tests/unit/shim/test_rootfs.c $(storage_case_files)
tests_unit_shim_test_rootfs_LDADD = libshimstorage.a $(sandbox_test_common)

tests_unit_shim_test_volumes_SOURCES = tests/unit/shim/test_volumes.c $(storage_case_files)
tests_unit_shim_test_volumes_LDADD = libshimstorage.a $(sandbox_test_common)

# A scripted machine stands in for libhypervisor.a.
sandbox_case_files = tests/unit/shim/sandbox_case.c tests/unit/shim/sandbox_case.h \
	tests/unit/shim/fake_hv.c tests/unit/shim/fake_hv.h
sandbox_case_libs = $(SHIM_SANDBOX_LIBS) libconfig.a $(sandbox_test_common)
# What acquires is wrapped so that it can fail.
tests_unit_shim_test_sandbox_SOURCES = tests/unit/shim/test_sandbox.c $(sandbox_case_files)
tests_unit_shim_test_sandbox_LDADD = $(sandbox_case_libs)
tests_unit_shim_test_sandbox_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mkdir -Wl,--wrap=mkdirat \
	-Wl,--wrap=open_tree -Wl,--wrap=move_mount -Wl,--wrap=mount -Wl,--wrap=setxattr
tests_unit_shim_test_sandbox_crash_SOURCES = tests/unit/shim/test_sandbox_crash.c $(sandbox_case_files)
tests_unit_shim_test_sandbox_crash_LDADD = $(sandbox_case_libs)
tests_unit_shim_test_sandbox_ends_SOURCES = tests/unit/shim/test_sandbox_ends.c $(sandbox_case_files)
tests_unit_shim_test_sandbox_ends_LDADD = $(sandbox_case_libs)
tests_unit_shim_test_sandbox_ends_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=network_update
tests_unit_shim_test_sandbox_files_SOURCES = tests/unit/shim/test_sandbox_files.c $(sandbox_case_files)
tests_unit_shim_test_sandbox_files_LDADD = $(sandbox_case_libs)
tests_unit_shim_test_sandbox_files_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=host_mounts_open -Wl,--wrap=file_read \
	-Wl,--wrap=statvfs

tests_unit_shim_test_endpoint_SOURCES = tests/unit/shim/test_endpoint.c
tests_unit_shim_test_endpoint_LDADD = libshimio.a libshimagent.a $(sandbox_test_common)

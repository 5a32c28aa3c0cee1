# SPDX-License-Identifier: Apache-2.0
# `husk-agent stage`: everything that happens between clone and exec of a container's process. Links
# with libagentcgroup.a, liboci.a, libjson.a, libprotogen.a, libbase.a and $(STAGE_LIBS).
noinst_LIBRARIES += libstage.a
libstage_a_SOURCES = \
	agent/confine/capabilities.c agent/confine/capabilities.h \
	agent/confine/lsm.c agent/confine/lsm.h \
	agent/confine/rlimits.c agent/confine/rlimits.h \
	agent/confine/seccomp.c agent/confine/seccomp.h \
	agent/container/cgroup_v1_mount.c agent/container/cgroup_v1_mount.h \
	agent/container/copy_up.c agent/container/copy_up.h \
	agent/container/detached.c agent/container/detached.h \
	agent/container/devices.c agent/container/devices.h \
	agent/container/hook_message.c agent/container/hook_message.h \
	agent/container/hooks.c \
	agent/container/mount_attr.c agent/container/mount_attr.h \
	agent/container/mountinfo.c agent/container/mountinfo.h \
	agent/container/mounts.c agent/container/mounts.h \
	agent/container/namespaces.c agent/container/namespaces.h \
	agent/container/paths.c \
	agent/container/pod_volume.c agent/container/pod_volume.h \
	agent/container/rootfs.c \
	agent/container/sysctl.c agent/container/sysctl.h \
	agent/device/node.c agent/device/node.h \
	agent/mount/host_path.c agent/mount/host_path.h \
	agent/process/passwd.c agent/process/passwd.h \
	agent/process/program.c agent/process/program.h \
	agent/process/stage.c agent/process/stage.h \
	agent/process/stage_check.c \
	agent/process/stage_confine.c \
	agent/process/stage_exec.c \
	agent/process/stage_labels.c \
	agent/process/stage_session.c \
	agent/process/stage_step.h \
	agent/process/stage_terminal.c \
	agent/process/stage_user.c
libstage_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) $(SECCOMP_CFLAGS) $(CAPNG_CFLAGS)
STAGE_LIBS = $(SECCOMP_LIBS) $(CAPNG_LIBS) $(PROTOBUF_C_LIBS) $(YAJL_LIBS)

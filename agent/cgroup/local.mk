# SPDX-License-Identifier: Apache-2.0
# Links with liboci.a, libprotogen.a, libasync.a, libbase.a, $(PROTOBUF_C_LIBS) and $(UV_LIBS).
noinst_LIBRARIES += libagentcgroup.a
libagentcgroup_a_SOURCES = \
	agent/cgroup/cgroup.c agent/cgroup/cgroup.h agent/cgroup/cgroup_private.h \
	agent/cgroup/devices.c agent/cgroup/devices.h \
	agent/cgroup/limits.c \
	agent/cgroup/root.c agent/cgroup/root.h \
	agent/cgroup/setting.c agent/cgroup/setting.h \
	agent/cgroup/stats.c \
	agent/cgroup/stats_message.c agent/cgroup/stats_message.h \
	agent/cgroup/v1.c agent/cgroup/v1.h \
	agent/cgroup/v1_limits.c \
	agent/cgroup/v1_stats.c
libagentcgroup_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)

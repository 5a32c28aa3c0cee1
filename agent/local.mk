# SPDX-License-Identifier: Apache-2.0
# husk-agent: libagent.a is all of it but main(), for the tests.
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	agent/cmdline.c agent/cmdline.h \
	agent/console.c agent/console.h \
	agent/container/bundle.c agent/container/bundle.h \
	agent/container/container.c agent/container/container.h \
	agent/container/create.c agent/container/create.h \
	agent/container/guest_hooks.c agent/container/guest_hooks.h \
	agent/container/host_devices.c agent/container/host_devices.h \
	agent/container/lifecycle_hooks.c agent/container/lifecycle_hooks.h \
	agent/container/namespace_set.c agent/container/namespace_set.h \
	agent/container/pod_init.c agent/container/pod_init.h \
	agent/container/share_mount.c \
	agent/container/shared_mounts.c agent/container/shared_mounts.h \
	agent/guest/command.c agent/guest/command.h \
	agent/guest/copy_file.c agent/guest/copy_file.h \
	agent/guest/metrics.c agent/guest/metrics.h \
	agent/guest/online.c agent/guest/online.h \
	agent/guest/projection.c agent/guest/projection.h \
	agent/guest/volume.c agent/guest/volume.h \
	agent/init.c agent/init.h \
	agent/log_port.c agent/log_port.h \
	agent/modules.c agent/modules.h \
	agent/mount/mount.c agent/mount/mount.h \
	agent/mount/options.c agent/mount/options.h \
	agent/mount/remove_tree.c agent/mount/remove_tree.h \
	agent/process/launch.c agent/process/launch.h \
	agent/process/process.c agent/process/process.h \
	agent/process/reaper.c agent/process/reaper.h \
	agent/process/streams.c agent/process/streams.h \
	agent/process/terminal.c agent/process/terminal.h \
	agent/process/turn.c agent/process/turn.h \
	agent/rpc/container.c agent/rpc/file.c agent/rpc/forward.c agent/rpc/forward.h agent/rpc/guest.c agent/rpc/handlers.h agent/rpc/health.c agent/rpc/network.c \
	agent/rpc/process.c agent/rpc/projections.c agent/rpc/projections.h agent/rpc/sandbox.c agent/rpc/service.c agent/rpc/service.h \
	agent/rpc/stream.c \
	agent/sandbox.c agent/sandbox.h \
	agent/storage/block.c agent/storage/block.h \
	agent/storage/drivers.c \
	agent/storage/fs_group.c agent/storage/fs_group.h \
	agent/storage/hugepages.c agent/storage/hugepages.h \
	agent/storage/layers.c agent/storage/layers.h \
	agent/storage/layers_plan.c agent/storage/layers_plan.h \
	agent/storage/mirror.c agent/storage/mirror.h \
	agent/storage/overlay.c agent/storage/overlay.h \
	agent/storage/verified.c agent/storage/verified.h \
	agent/storage/storage.c agent/storage/storage.h \
	agent/storage/watched.c agent/storage/watched.h
libagent_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)

include agent/cgroup/local.mk
include agent/device/local.mk
include agent/net/local.mk
include agent/process/stage.mk

AGENT_ARCHIVES = libagent.a libagentnet.a libnetlink.a libdevice.a libverity.a libstage.a libagentcgroup.a liboci.a librpc.a libnet.a libasync.a libproto.a \
	libprotogen.a libjson.a libbase.a

# For guests in which it is no process 1.
systemdunitdir      = $(prefix)/lib/systemd/system
systemdunit_DATA    = agent/husk-agent.service
EXTRA_DIST         += agent/husk-agent.service.in
CLEANFILES         += agent/husk-agent.service
agent/husk-agent.service: $(srcdir)/agent/husk-agent.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) agent && \
	sed 's,@pkglibexecdir@,$(pkglibexecdir),' $(srcdir)/agent/husk-agent.service.in >$@

pkglibexec_PROGRAMS += husk-agent
husk_agent_SOURCES = agent/main.c
husk_agent_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
if STATIC_AGENT
husk_agent_LDADD = $(AGENT_ARCHIVES) $(AGENT_STATIC_LIBS) $(DEVMAPPER_LIBS)
# Not at a random address: see configure.ac.
husk_agent_LDFLAGS = $(AM_LDFLAGS:-pie=) $(AGENT_LDFLAGS)
else
husk_agent_LDADD = $(AGENT_ARCHIVES) $(STAGE_LIBS) $(NL_LIBS) $(UV_LIBS) $(DEVMAPPER_LIBS)
endif

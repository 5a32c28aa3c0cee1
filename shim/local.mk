# SPDX-License-Identifier: Apache-2.0
# The shim. Everything but main() is in libraries, so that tests can link it: libshimtask.a is the
# task service, which works with any sandbox that is linked behind it, libshim.a the program's
# commands.
include shim/agent/local.mk
include shim/io/local.mk
include shim/net/local.mk
include shim/storage/local.mk
include shim/sandbox/local.mk

noinst_LIBRARIES += libshimtask.a
libshimtask_a_SOURCES = \
	shim/events/publisher.c shim/events/publisher.h \
	shim/events/sandbox_event.c shim/events/sandbox_event.h \
	shim/events/task_events.c shim/events/task_events.h \
	shim/options.c shim/options.h \
	shim/record.c shim/record.h \
	shim/sandbox_api/handlers.h \
	shim/sandbox_api/metrics.c \
	shim/sandbox_api/pod_files.c shim/sandbox_api/pod_files.h \
	shim/sandbox_api/pod_spec.c shim/sandbox_api/pod_spec.h \
	shim/sandbox_api/service.c shim/sandbox_api/service.h \
	shim/sandbox_api/start.c \
	shim/sandbox_api/status.c \
	shim/sandbox_api/stop.c \
	shim/task/boot.c shim/task/boot.h \
	shim/task/connect.c \
	shim/task/container.c shim/task/container.h \
	shim/task/create.c \
	shim/task/delete.c \
	shim/task/exec.c \
	shim/task/handlers.h \
	shim/task/io.c \
	shim/task/kill.c \
	shim/task/metrics.c shim/task/metrics.h \
	shim/task/pause.c \
	shim/task/process.c shim/task/process.h \
	shim/task/service.c shim/task/service.h \
	shim/task/start.c \
	shim/task/state.c \
	shim/task/stats.c \
	shim/task/update.c \
	shim/task/wait.c \
	shim/task/watch.c shim/task/watch.h

# What a test links that has a sandbox, an agent and streams of its own.
SHIM_TASK_LIBS = libshimtask.a libhypervisor.a libconfig.a liboci.a libnet.a librpc.a libasync.a \
	libjson.a libproto.a libprotogen.a libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS) $(UV_LIBS)

noinst_LIBRARIES += libshim.a
libshim_a_SOURCES = \
	shim/address.c shim/address.h \
	shim/args.c shim/args.h \
	shim/bootstrap.c shim/bootstrap.h \
	shim/bundle.c shim/bundle.h \
	shim/command.h \
	shim/delete.c \
	shim/host_process.c shim/host_process.h \
	shim/info.c \
	shim/serve.c \
	shim/start.c \
	shim/version.c \
	shim/volumes.c shim/volumes.h

bin_PROGRAMS += containerd-shim-husk-v2
containerd_shim_husk_v2_SOURCES = shim/main.c
containerd_shim_husk_v2_LDADD = libshim.a libshimtask.a $(SHIM_SANDBOX_LIBS) libhypervisor.a \
	libhost.a libconfig.a liboci.a libnet.a librpc.a libasync.a libjson.a libproto.a \
	libprotogen.a libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS) $(UV_LIBS) $(SECCOMP_LIBS) \
	$(CAPNG_LIBS) $(MD_LIBS) $(NL_LIBS)

# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libshimsandbox.a
libshimsandbox_a_SOURCES = \
	shim/sandbox/boot.c \
	shim/sandbox/clean_up.c shim/sandbox/clean_up.h \
	shim/sandbox/container.c \
	shim/sandbox/container_files.c shim/sandbox/container_files.h \
	shim/sandbox/directory.c shim/sandbox/directory.h \
	shim/sandbox/hooks.c shim/sandbox/hooks.h \
	shim/sandbox/host_cgroup.c shim/sandbox/host_cgroup.h \
	shim/sandbox/network.c \
	shim/sandbox/resources.c shim/sandbox/resources.h \
	shim/sandbox/sandbox.h \
	shim/sandbox/size.c shim/sandbox/size.h \
	shim/sandbox/spec_guest.c shim/sandbox/spec_guest.h \
	shim/sandbox/state.h \
	shim/sandbox/stop.c \
	shim/sandbox/volumes.c \
	shim/sandbox/watch.c

# What a program that runs sandboxes links, before libhypervisor.a, the
# libraries of common/ and $(NL_LIBS).
SHIM_SANDBOX_LIBS = libshimsandbox.a libshimio.a libshimstorage.a libshimnet.a libshimagent.a \
	libnetlink.a libverity.a

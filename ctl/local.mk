# SPDX-License-Identifier: Apache-2.0
# What the subcommands do, apart from main(), for the tests to link.
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = \
	ctl/checks.c ctl/checks.h \
	ctl/program.c ctl/program.h \
	ctl/sandboxes.c ctl/sandboxes.h

bin_PROGRAMS += huskctl
huskctl_SOURCES = \
	ctl/check.c \
	ctl/command.h \
	ctl/config.c \
	ctl/console.c \
	ctl/console_socket.c ctl/console_socket.h \
	ctl/direct_volume.c \
	ctl/exec.c \
	ctl/list.c \
	ctl/main.c \
	ctl/version.c
huskctl_LDADD = libctl.a libhypervisor.a libhost.a libconfig.a libjson.a libnet.a librpc.a libproto.a \
	libprotogen.a libasync.a libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS) $(UV_LIBS)

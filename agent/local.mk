# SPDX-License-Identifier: Apache-2.0
# husk-agent: libagent.a is all of it but main(), for the tests.
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	agent/cmdline.c agent/cmdline.h \
	agent/mount/mount.c agent/mount/mount.h \
	agent/mount/options.c agent/mount/options.h \
	agent/process/streams.c agent/process/streams.h \
	agent/process/terminal.c agent/process/terminal.h \
	agent/process/turn.c agent/process/turn.h \
	agent/storage/drivers.c agent/storage/storage.c agent/storage/storage.h

include agent/cgroup/local.mk
include agent/process/stage.mk

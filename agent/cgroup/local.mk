# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libagentcgroup.a
libagentcgroup_a_SOURCES = \
	agent/cgroup/cgroup.h \
	agent/cgroup/root.c agent/cgroup/root.h

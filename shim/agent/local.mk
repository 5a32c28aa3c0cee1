# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libshimagent.a
libshimagent_a_SOURCES = \
	shim/agent/agent.h \
	shim/agent/connection.c shim/agent/connection.h \
	shim/agent/container.c \
	shim/agent/forward.c \
	shim/agent/guest.c \
	shim/agent/network.c \
	shim/agent/projection.c \
	shim/agent/stream.c

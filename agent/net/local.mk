# SPDX-License-Identifier: Apache-2.0
# The guest's network over netlink. Links with libnetlink.a, libprotogen.a, libbase.a and $(NL_LIBS).
noinst_LIBRARIES += libagentnet.a
libagentnet_a_SOURCES = \
	agent/net/links.c \
	agent/net/neighbors.c \
	agent/net/net.h \
	agent/net/routes.c
libagentnet_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) $(NL_CFLAGS)

# SPDX-License-Identifier: Apache-2.0
# A sandbox's network. Links with libnetlink.a, libhypervisor.a and $(NL_LIBS).
noinst_LIBRARIES += libshimnet.a
libshimnet_a_SOURCES = \
	shim/net/dan.c shim/net/dan.h \
	shim/net/endpoint.c shim/net/endpoint.h \
	shim/net/forward.c shim/net/forward.h \
	shim/net/host_ipv6.c shim/net/host_ipv6.h \
	shim/net/macvtap.c shim/net/macvtap.h \
	shim/net/netns.c shim/net/netns.h \
	shim/net/network.c shim/net/network.h \
	shim/net/record.c shim/net/record.h \
	shim/net/redirect.c shim/net/redirect.h \
	shim/net/scan.c shim/net/scan.h \
	shim/net/steer.c shim/net/steer.h \
	shim/net/tap.c shim/net/tap.h \
	shim/net/user.c shim/net/user.h
libshimnet_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS) $(NL_CFLAGS)

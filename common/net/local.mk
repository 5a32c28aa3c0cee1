# SPDX-License-Identifier: Apache-2.0
# Addresses and what both sides need of libnl; links with libbase.a and $(NL_LIBS).
noinst_LIBRARIES += libnetlink.a
libnetlink_a_SOURCES = \
	common/net/address.c common/net/address.h \
	common/net/netlink.c common/net/netlink.h
libnetlink_a_CPPFLAGS = $(AM_CPPFLAGS) $(NL_CFLAGS)

noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	common/net/hybrid_vsock.c common/net/hybrid_vsock.h \
	common/net/line.c common/net/line.h \
	common/net/serial.c common/net/serial.h \
	common/net/transport.c common/net/transport.h \
	common/net/unix.c common/net/unix.h \
	common/net/vsock.c common/net/vsock.h

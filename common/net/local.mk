# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	common/net/hybrid_vsock.c common/net/hybrid_vsock.h \
	common/net/line.c common/net/line.h \
	common/net/serial.c common/net/serial.h \
	common/net/transport.c common/net/transport.h \
	common/net/unix.c common/net/unix.h \
	common/net/vsock.c common/net/vsock.h

# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += librpc.a
librpc_a_SOURCES = \
	common/rpc/client.c common/rpc/client.h \
	common/rpc/connection.c common/rpc/connection.h \
	common/rpc/dispatch.c common/rpc/dispatch.h \
	common/rpc/message.c common/rpc/message.h \
	common/rpc/outgoing.c common/rpc/outgoing.h \
	common/rpc/server.c common/rpc/server.h \
	common/rpc/status.c common/rpc/status.h
librpc_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)

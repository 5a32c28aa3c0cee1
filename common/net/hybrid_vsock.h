/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_HYBRID_VSOCK_H
#define HUSK_NET_HYBRID_VSOCK_H

#include <stdint.h>

#include "common/async/io.h"

/*
 * Hybrid vsock, host side: the VMM (or vhost-device-vsock) listens on a unix socket. The host writes
 * "CONNECT <port>\n"; when the guest has accepted, "OK <host port>\n" comes back and the socket is
 * the connection. Where nobody listens in the guest, the socket is closed without a line. Source:
 * Firecracker's docs/vsock.md, which Cloud Hypervisor and vhost-device-vsock follow.
 */

/* One try. ERR_UNAVAILABLE: no VMM, or nobody listens in the guest. */
struct io *hybrid_vsock_connect(const char *path, uint32_t port, struct deadline d, struct err *e)
	must_check;

/* The handshake alone, on a connected socket. Reads nothing behind the VMM's newline. */
int hybrid_vsock_handshake(struct io *io, uint32_t port, struct deadline d, struct err *e)
	must_check;

/* Is this line (without newline) a yes? Hosts look at the "OK" only. */
int hybrid_vsock_check_reply(const char *line, struct err *e) must_check;

#endif

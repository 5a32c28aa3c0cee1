/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_VSOCK_H
#define HUSK_NET_VSOCK_H

#include <stdint.h>

#include "common/async/io.h"

/* AF_VSOCK stream sockets (vsock(7)), behind transport.h. UINT32_MAX as cid listens on any. */

/* A listening descriptor, close-on-exec. ERR_UNSUPPORTED where the kernel has no vsock. */
int vsock_listen(uint32_t cid, uint32_t port, struct err *e) must_check;

/*
 * One try. ERR_UNAVAILABLE where the guest is not up or nobody listens; a guest that is starting may
 * also give no answer at all (ERR_TIMEOUT).
 */
struct io *vsock_connect(uint32_t cid, uint32_t port, struct deadline d, struct err *e) must_check;

#endif

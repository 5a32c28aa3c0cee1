/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_TAP_H
#define HUSK_SHIM_NET_TAP_H

#include <stddef.h>

#include "common/base/err.h"

/*
 * Tap devices: a link whose other end is descriptors. In the namespace that the thread is in; blocks.
 * Frames carry the header of virtio-net (IFF_VNET_HDR), so that offloads work across.
 */

#define TAP_QUEUES_MAX 16u /* pairs */

/* A new one, down, that goes with its last descriptor. ERR_EXISTS: the name is taken. */
int tap_create(const char *name, size_t n_queues, int *ret_fds, struct err *e) must_check;

/* One that is there and has no reader yet, with that many queues at most. */
int tap_attach(const char *name, size_t n_queues, int *ret_fds, size_t *ret_n, struct err *e)
	must_check;

/*
 * /dev/vhost-net, once a queue: the kernel itself moves the frames between guest and tap. 1, or 0 and
 * nothing opened where the host has none.
 */
int tap_open_vhost(size_t n_queues, int *ret_fds, struct err *e) must_check;

/* Close and set to -1. */
void tap_close(int *fds, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_MACVTAP_H
#define HUSK_SHIM_NET_MACVTAP_H

#include <stddef.h>

#include "common/base/err.h"

/*
 * macvtap devices: a link on top of another that takes what arrives there for its descriptors. In the
 * namespace that the thread is in; blocks. Unlike a tap it stays when its descriptors are closed.
 */
struct nl_sock;

/*
 * A new one, up, with address and MTU of the link below, whose only one it is (mode "passthru").
 * ERR_EXISTS: the name is taken; ERR_UNSUPPORTED: the kernel has no such device; ERR_STATE: the link
 * below has another on top, a bridge for instance.
 */
int macvtap_create(struct nl_sock *sock, int below, const char *name, struct err *e) must_check;

/* Its descriptors, one a queue, of the kind that tap.h describes. */
int macvtap_open(const char *name, size_t n_queues, int *ret_fds, struct err *e) must_check;

/* One that is gone is fine, and so is a device of another kind, which stays. */
int macvtap_remove(struct nl_sock *sock, const char *name, struct err *e) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_REDIRECT_H
#define HUSK_SHIM_NET_REDIRECT_H

#include "common/base/err.h"

/*
 * Two links as one wire: whatever arrives on one leaves through the other. A filter on the ingress of
 * each takes every frame before anything else in the namespace sees it. In the namespace that the
 * thread is in; blocks.
 */
struct nl_sock;

/* From one to the other only. */
int redirect(struct nl_sock *sock, int from, int to, struct err *e) must_check;

/* With what holds filters on `from`, unless others have some there. A link that is gone is fine. */
int redirect_remove(struct nl_sock *sock, int from, struct err *e) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_NETNS_H
#define HUSK_SHIM_NET_NETNS_H

#include "common/base/err.h"

/*
 * Network namespaces. The shim itself stays in the host's: what has to happen in another one (netlink
 * sockets and taps belong to the namespace they are opened in) is a function that a thread of its own runs there.
 */

/*
 * Open what a path names. ERR_INVALID if that is no network namespace, or the one we are in: links of
 * the host are not for a guest.
 */
int netns_open(const char *path, int *ret_fd, struct err *e) must_check;

/* A new one with its loopback device up, which lives as long as descriptors and processes in it do. */
int netns_create(int *ret_fd, struct err *e) must_check;

/*
 * Run fn in it, on a thread that ends afterwards (common/async/work.h says what it may do), and wait: in
 * a fiber.
 * Returns what fn does.
 */
int netns_run(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
	must_check;

/* The same for programs without a loop. */
int netns_run_here(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
	must_check;

#endif

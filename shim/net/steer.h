/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_STEER_H
#define HUSK_SHIM_NET_STEER_H

#include "common/base/err.h"

/*
 * Every TCP connection that somebody in a network namespace opens to its localhost, whatever the port,
 * to sockets of ours that listen there: a program of the kernel's socket lookup (BPF_PROG_TYPE_SK_LOOKUP,
 * Linux 5.9) picks them. The accepted socket has the address that was dialled.
 *
 * v4, v6  listening in that namespace; v6 -1: none. Borrowed
 *
 * Returns a descriptor: with its end, also by a crash, everything is as it was. ERR_UNSUPPORTED where
 * the kernel has none of this.
 */
int steer_localhost(int netns_fd, int v4, int v6, struct err *e) must_check;

#endif

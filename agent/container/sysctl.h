/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_SYSCTL_H
#define HUSK_AGENT_SYSCTL_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * May a container with these namespaces (CLONE_NEW*, joined or its own) set it? Only what is kept
 * per namespace: a value of the whole guest would change under every other container.
 */
int sysctl_check(const char *key, unsigned namespaces, struct err *e) must_check;

/*
 * "net.ipv4.ip_forward" to "sys/net/ipv4/ip_forward". As in sysctl.d(5) a '/' before any '.' means
 * that the two are swapped: "net/ipv4/conf/eth0.100/forwarding". For free(); NULL: ERR_INVALID.
 */
char *sysctl_path(const char *key, struct err *e) must_check;

#endif

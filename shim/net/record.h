/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_RECORD_H
#define HUSK_SHIM_NET_RECORD_H

#include "common/base/err.h"

/*
 * <sandbox's directory>/network.json: which links have filters or a macvtap of ours, for whoever has to
 * remove them after the shim has crashed. Written before they are made.
 *
 *	{"netns":"/run/netns/x","links":["eth0"]}
 */
struct net_record {
	char *netns;  /* path */
	char **links; /* names, NULL-terminated; may be NULL */
};

int net_record_write(const char *dir, const struct net_record *r, struct err *e) must_check;

/* 1, or 0 if there is none. */
int net_record_read(const char *dir, struct net_record *ret, struct err *e) must_check;
void net_record_done(struct net_record *r);

#define auto_net_record CLEANUP(net_record_done)

#endif

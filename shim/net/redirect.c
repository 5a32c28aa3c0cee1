/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic control between two links; see redirect.h. */
#include "shim/net/redirect.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/errno.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <stdbool.h>
#include <time.h>

#include "common/net/netlink.h"

/*
 * Where filters of arriving frames sit, with the "ingress" queueing discipline and with its successor
 * "clsact" (linux/pkt_sched.h), which somebody may have put there before us.
 */
#define INGRESS_PARENT TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define INGRESS_HANDLE TC_H_MAKE(TC_H_CLSACT, 0)

/* Of our filter, so that it can be told from others: behind those of whoever was there first. */
#define FILTER_PRIORITY 0xc000

/* Another process (udev, say) may be at work on a new link: seen as EBUSY elsewhere. */
#define BUSY_TRIES   5
#define BUSY_WAIT_NS 10000000

static void qdisc_slot(struct rtnl_qdisc **q)
{
	if (*q)
		rtnl_qdisc_put(*q);
}

static void filter_slot(struct rtnl_cls **c)
{
	if (*c)
		rtnl_cls_put(*c);
}

static struct rtnl_qdisc *ingress_of(int index)
{
	struct rtnl_qdisc *q = rtnl_qdisc_alloc();

	rtnl_tc_set_ifindex(TC_CAST(q), index);
	rtnl_tc_set_parent(TC_CAST(q), TC_H_INGRESS);
	rtnl_tc_set_handle(TC_CAST(q), INGRESS_HANDLE);
	(void)rtnl_tc_set_kind(TC_CAST(q), "ingress");
	return q;
}

static int add_ingress(struct nl_sock *sock, int index, struct err *e)
{
	CLEANUP(qdisc_slot) struct rtnl_qdisc *q = ingress_of(index);
	const struct timespec pause = { .tv_nsec = BUSY_WAIT_NS };
	int r;

	for (int tries = 1;; tries++) {
		r = rtnl_qdisc_add(sock, q, NLM_F_CREATE | NLM_F_EXCL);
		if (r != -NLE_BUSY || tries == BUSY_TRIES)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (r < 0 && r != -NLE_EXIST)
		return netlink_error(e, r, "add an ingress qdisc");
	return 0;
}

static struct rtnl_cls *filter_of(int index)
{
	struct rtnl_cls *c = rtnl_cls_alloc();

	rtnl_tc_set_ifindex(TC_CAST(c), index);
	rtnl_tc_set_parent(TC_CAST(c), INGRESS_PARENT);
	(void)rtnl_tc_set_kind(TC_CAST(c), "u32");
	rtnl_cls_set_prio(c, FILTER_PRIORITY);
	rtnl_cls_set_protocol(c, ETH_P_ALL);
	return c;
}

/* u32 with a key that always matches: the plainer "matchall" is missing in more kernels. */
static int add_filter(struct nl_sock *sock, int from, int to, struct err *e)
{
	CLEANUP(filter_slot) struct rtnl_cls *c = filter_of(from);
	struct rtnl_act *act = rtnl_act_alloc();
	int r;

	(void)rtnl_tc_set_kind(TC_CAST(act), "mirred");
	(void)rtnl_mirred_set_action(act, TCA_EGRESS_REDIR);
	(void)rtnl_mirred_set_policy(act, TC_ACT_STOLEN);
	(void)rtnl_mirred_set_ifindex(act, (uint32_t)to);
	(void)rtnl_u32_add_key_uint32(c, 0, 0, 0, 0);
	(void)rtnl_u32_set_cls_terminal(c);
	r = rtnl_u32_add_action(c, act); /* the filter holds it now */
	rtnl_act_put(act);
	if (r == 0)
		r = rtnl_cls_add(sock, c, NLM_F_CREATE | NLM_F_EXCL);
	return r < 0 ? netlink_error(e, r, "add a filter that redirects") : 0;
}

int redirect(struct nl_sock *sock, int from, int to, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (add_ingress(sock, from, e) == 0 && add_filter(sock, from, to, e) == 0)
		return 0;
	(void)!redirect_remove(sock, from, &ignored);
	return -1;
}

/* EINVAL: there is no ingress qdisc, or it is "clsact", which is another's. */
static bool is_gone(int code)
{
	return code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV || code == -NLE_INVAL;
}

static bool has_filters(struct nl_sock *sock, int index)
{
	auto_nl_cache struct nl_cache *filters = NULL;

	return rtnl_cls_alloc_cache(sock, index, INGRESS_PARENT, &filters) == 0 &&
	       nl_cache_nitems(filters) > 0;
}

int redirect_remove(struct nl_sock *sock, int from, struct err *e)
{
	CLEANUP(qdisc_slot) struct rtnl_qdisc *q = ingress_of(from);
	CLEANUP(filter_slot) struct rtnl_cls *c = filter_of(from);
	int r = rtnl_cls_delete(sock, c, 0);

	if (r < 0 && !is_gone(r))
		return netlink_error(e, r, "remove a filter that redirects");
	if (has_filters(sock, from))
		return 0;
	r = rtnl_qdisc_delete(sock, q);
	return r < 0 && !is_gone(r) ? netlink_error(e, r, "remove an ingress qdisc") : 0;
}

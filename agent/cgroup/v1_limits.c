/* SPDX-License-Identifier: Apache-2.0 */
/* LinuxResources to the files of cgroup v1; what a missing file means is in cgroup.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/cgroup/devices.h"
#include "agent/cgroup/setting.h"
#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/num.h"

static int set_number(struct settings *s, enum importance importance, const char *file,
		      int64_t value, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	/* Taking a limit off that cannot exist is done. */
	return setting_write(s, value < 0 ? PREFERENCE : importance, file, text, e);
}

static int apply_cpu(struct settings *s, const Grpc__LinuxCPU *c, struct err *e)
{
	if (c->shares != 0 && set_number(s, PREFERENCE, "cpu.shares", (int64_t)c->shares, e) < 0)
		return -1;
	if (c->period != 0 && set_number(s, LIMIT, "cpu.cfs_period_us", (int64_t)c->period, e) < 0)
		return -1;
	if (c->quota != 0 && set_number(s, LIMIT, "cpu.cfs_quota_us", c->quota, e) < 0)
		return -1;
	if (c->realtimeperiod != 0 &&
	    set_number(s, LIMIT, "cpu.rt_period_us", (int64_t)c->realtimeperiod, e) < 0)
		return -1;
	if (c->realtimeruntime != 0 &&
	    set_number(s, LIMIT, "cpu.rt_runtime_us", c->realtimeruntime, e) < 0)
		return -1;
	if (c->cpus[0] && setting_write(s, LIMIT, "cpuset.cpus", c->cpus, e) < 0)
		return -1;
	return c->mems[0] ? setting_write(s, LIMIT, "cpuset.mems", c->mems, e) : 0;
}

/*
 * The limit of memory can never be above that of memory and swap, at no moment: where the new one does
 * not fit below the old other one, that goes first.
 */
static int apply_limits(struct settings *s, const Grpc__LinuxMemory *m, struct err *e)
{
	int64_t swap = m->swap ? m->swap : m->limit < 0 ? -1 : 0;
	struct err first = ERR_INIT;

	if (m->swap > 0 && m->limit > 0 && m->swap < m->limit)
		return err_set(e, ERR_INVALID,
			       "the limit of memory and swap, %lld, is below the limit of memory",
			       (long long)m->swap);
	/* No swap at all: a guest without swap accounting has none either. */
	if (m->limit != 0 && m->limit > 0 &&
	    set_number(s, LIMIT, "memory.limit_in_bytes", m->limit, &first) == 0) {
		return swap ? set_number(s, swap == m->limit ? PREFERENCE : LIMIT,
					 "memory.memsw.limit_in_bytes", swap, e)
			    : 0;
	}
	if (swap && set_number(s, swap == m->limit ? PREFERENCE : LIMIT,
			       "memory.memsw.limit_in_bytes", swap, e) < 0)
		return -1;
	return m->limit ? set_number(s, LIMIT, "memory.limit_in_bytes", m->limit, e) : 0;
}

static int apply_memory(struct settings *s, const Grpc__LinuxMemory *m, struct err *e)
{
	if (apply_limits(s, m, e) < 0)
		return -1;
	if (m->reservation != 0 &&
	    set_number(s, PREFERENCE, "memory.soft_limit_in_bytes", m->reservation, e) < 0)
		return -1;
	if (m->kernel > 0)
		setting_skip(s, "kernel memory limits");
	if (m->kerneltcp > 0 &&
	    set_number(s, PREFERENCE, "memory.kmem.tcp.limit_in_bytes", m->kerneltcp, e) < 0)
		return -1;
	if (m->swappiness != 0 &&
	    set_number(s, PREFERENCE, "memory.swappiness", (int64_t)m->swappiness, e) < 0)
		return -1;
	return m->disableoomkiller ? setting_write(s, LIMIT, "memory.oom_control", "1", e) : 0;
}

static int apply_throttle(struct settings *s, Grpc__LinuxThrottleDevice *const *list, size_t n,
			  const char *file, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *line = xasprintf("%lld:%lld %llu", (long long)list[i]->major,
						 (long long)list[i]->minor,
						 (unsigned long long)list[i]->rate); /* 0: none */

		if (setting_write(s, list[i]->rate ? LIMIT : PREFERENCE, file, line, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_block_io(struct settings *s, const Grpc__LinuxBlockIO *b, struct err *e)
{
	if (b->weight != 0 && set_number(s, PREFERENCE, "blkio.bfq.weight", b->weight, e) < 0)
		return -1;
	for (size_t i = 0; i < b->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *w = b->weightdevice[i];
		auto_free char *line = xasprintf("%lld:%lld %u", (long long)w->major,
						 (long long)w->minor, w->weight);

		if (setting_write(s, PREFERENCE, "blkio.bfq.weight_device", line, e) < 0)
			return -1;
	}
	if (apply_throttle(s, b->throttlereadbpsdevice, b->n_throttlereadbpsdevice,
			   "blkio.throttle.read_bps_device", e) < 0 ||
	    apply_throttle(s, b->throttlewritebpsdevice, b->n_throttlewritebpsdevice,
			   "blkio.throttle.write_bps_device", e) < 0 ||
	    apply_throttle(s, b->throttlereadiopsdevice, b->n_throttlereadiopsdevice,
			   "blkio.throttle.read_iops_device", e) < 0)
		return -1;
	return apply_throttle(s, b->throttlewriteiopsdevice, b->n_throttlewriteiopsdevice,
			      "blkio.throttle.write_iops_device", e);
}

static int apply_network(struct settings *s, const Grpc__LinuxNetwork *n, struct err *e)
{
	if (n->classid != 0 && set_number(s, LIMIT, "net_cls.classid", n->classid, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n_priorities; i++) {
		auto_free char *line =
			xasprintf("%s %u", n->priorities[i]->name, n->priorities[i]->priority);

		if (setting_write(s, LIMIT, "net_prio.ifpriomap", line, e) < 0)
			return -1;
	}
	return 0;
}

static int set_device(struct settings *s, bool allow, const char *line, struct err *e)
{
	return setting_write(s, LIMIT, allow ? "devices.allow" : "devices.deny", line, e);
}

static void add_number(struct buf *b, int64_t number)
{
	if (number == DEVICE_ANY)
		buf_addf(b, "*");
	else
		buf_addf(b, "%lld", (long long)number);
}

/* The rules as one default and the exceptions from it, which is what the controller keeps, too. */
static int apply_devices(struct settings *s, const Grpc__LinuxResources *r, struct err *e)
{
	auto_device_rules struct device_rules rules = { .n = 0 };

	if (!device_rules_deny_any(r->devices, r->n_devices))
		return 0;
	if (device_rules_read(&rules, r->devices, r->n_devices, e) < 0 ||
	    set_device(s, rules.allow, "a", e) < 0)
		return -1;
	for (size_t i = 0; i < rules.n; i++) {
		const struct device_exception *x = &rules.exception[i];
		auto_buf struct buf line = BUF_INIT;

		buf_addf(&line, "%c ", x->type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c');
		add_number(&line, x->major);
		buf_addf(&line, ":");
		add_number(&line, x->minor);
		buf_addf(&line, " %s%s%s", x->access & BPF_DEVCG_ACC_READ ? "r" : "",
			 x->access & BPF_DEVCG_ACC_WRITE ? "w" : "",
			 x->access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
		if (set_device(s, !rules.allow, line.data, e) < 0)
			return -1;
	}
	return 0;
}

int v1_apply(struct settings *s, const Grpc__LinuxResources *r, struct err *e)
{
	if (r->cpu && apply_cpu(s, r->cpu, e) < 0)
		return -1;
	if (r->memory && apply_memory(s, r->memory, e) < 0)
		return -1;
	if (r->pids && r->pids->limit > 0 &&
	    set_number(s, LIMIT, "pids.max", r->pids->limit, e) < 0)
		return -1;
	if (r->pids && r->pids->limit <= 0 &&
	    setting_write(s, PREFERENCE, "pids.max", "max", e) < 0)
		return -1;
	if (settings_huge_pages(s, r->hugepagelimits, r->n_hugepagelimits, "limit_in_bytes", e) < 0)
		return -1;
	if (r->blockio && apply_block_io(s, r->blockio, e) < 0)
		return -1;
	if (r->network && apply_network(s, r->network, e) < 0)
		return -1;
	return apply_devices(s, r, e);
}

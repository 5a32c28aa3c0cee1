/* SPDX-License-Identifier: Apache-2.0 */
/* LinuxResources to the files of cgroup v1; what a missing file means is in cgroup.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/cgroup/devices.h"
#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/num.h"

enum importance {
	LIMIT,      /* failing is an error */
	PREFERENCE, /* failing is noted */
};

struct applying {
	const struct cgroup *cg;
	struct buf skipped;
};

static void skip(struct applying *a, const char *what)
{
	buf_addf(&a->skipped, "%s%s", a->skipped.len ? ", " : "", what);
}

/* The file's name begins with that of its controller. */
static int set(struct applying *a, enum importance importance, const char *file, const char *value,
	       struct err *e)
{
	auto_free char *controller = xstrndup(file, strcspn(file, "."));
	int dir = v1_dir(a->cg, controller);
	struct err why = ERR_INIT;

	if (dir >= 0 && file_write(dir, file, value, strlen(value), &why) == 0)
		return 0;
	if (importance == PREFERENCE) {
		skip(a, file);
		return 0;
	}
	if (dir < 0 || why.sys == ENOENT)
		return err_set(e, ERR_UNSUPPORTED,
			       "set %s to %s: the guest's kernel has no such controller", file,
			       value);
	*e = why;
	return err_wrap(e, "cgroup '%s'", a->cg->path);
}

static int set_number(struct applying *a, enum importance importance, const char *file,
		      int64_t value, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	/* Taking a limit off that cannot exist is done. */
	return set(a, value < 0 ? PREFERENCE : importance, file, text, e);
}

static int apply_cpu(struct applying *a, const Grpc__LinuxCPU *c, struct err *e)
{
	if (c->shares != 0 && set_number(a, PREFERENCE, "cpu.shares", (int64_t)c->shares, e) < 0)
		return -1;
	if (c->period != 0 && set_number(a, LIMIT, "cpu.cfs_period_us", (int64_t)c->period, e) < 0)
		return -1;
	if (c->quota != 0 && set_number(a, LIMIT, "cpu.cfs_quota_us", c->quota, e) < 0)
		return -1;
	if (c->realtimeperiod != 0 &&
	    set_number(a, LIMIT, "cpu.rt_period_us", (int64_t)c->realtimeperiod, e) < 0)
		return -1;
	if (c->realtimeruntime != 0 &&
	    set_number(a, LIMIT, "cpu.rt_runtime_us", c->realtimeruntime, e) < 0)
		return -1;
	if (c->cpus[0] && set(a, LIMIT, "cpuset.cpus", c->cpus, e) < 0)
		return -1;
	return c->mems[0] ? set(a, LIMIT, "cpuset.mems", c->mems, e) : 0;
}

/*
 * The limit of memory can never be above that of memory and swap, at no moment: where the new one does
 * not fit below the old other one, that goes first.
 */
static int apply_limits(struct applying *a, const Grpc__LinuxMemory *m, struct err *e)
{
	int64_t swap = m->swap ? m->swap : m->limit < 0 ? -1 : 0;
	struct err first = ERR_INIT;

	if (m->swap > 0 && m->limit > 0 && m->swap < m->limit)
		return err_set(e, ERR_INVALID,
			       "the limit of memory and swap, %lld, is below the limit of memory",
			       (long long)m->swap);
	/* No swap at all: a guest without swap accounting has none either. */
	if (m->limit != 0 && m->limit > 0 &&
	    set_number(a, LIMIT, "memory.limit_in_bytes", m->limit, &first) == 0) {
		return swap ? set_number(a, swap == m->limit ? PREFERENCE : LIMIT,
					 "memory.memsw.limit_in_bytes", swap, e)
			    : 0;
	}
	if (swap && set_number(a, swap == m->limit ? PREFERENCE : LIMIT,
			       "memory.memsw.limit_in_bytes", swap, e) < 0)
		return -1;
	return m->limit ? set_number(a, LIMIT, "memory.limit_in_bytes", m->limit, e) : 0;
}

static int apply_memory(struct applying *a, const Grpc__LinuxMemory *m, struct err *e)
{
	if (apply_limits(a, m, e) < 0)
		return -1;
	if (m->reservation != 0 &&
	    set_number(a, PREFERENCE, "memory.soft_limit_in_bytes", m->reservation, e) < 0)
		return -1;
	if (m->kernel > 0)
		skip(a, "kernel memory limits");
	if (m->kerneltcp > 0 &&
	    set_number(a, PREFERENCE, "memory.kmem.tcp.limit_in_bytes", m->kerneltcp, e) < 0)
		return -1;
	if (m->swappiness != 0 &&
	    set_number(a, PREFERENCE, "memory.swappiness", (int64_t)m->swappiness, e) < 0)
		return -1;
	return m->disableoomkiller ? set(a, LIMIT, "memory.oom_control", "1", e) : 0;
}

static int apply_huge_pages(struct applying *a, Grpc__LinuxHugepageLimit *const *list, size_t n,
			    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *size = list[i]->pagesize;
		auto_free char *file = NULL;
		auto_free char *value = NULL;

		if (!cgroup_is_page_size(size))
			return err_set(e, ERR_INVALID, "'%.32s' is no size of huge pages", size);
		file = xasprintf("hugetlb.%s.limit_in_bytes", size);
		value = xasprintf("%llu", (unsigned long long)list[i]->limit);
		if (set(a, list[i]->limit ? LIMIT : PREFERENCE, file, value, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_throttle(struct applying *a, Grpc__LinuxThrottleDevice *const *list, size_t n,
			  const char *file, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *line = xasprintf("%lld:%lld %llu", (long long)list[i]->major,
						 (long long)list[i]->minor,
						 (unsigned long long)list[i]->rate); /* 0: none */

		if (set(a, list[i]->rate ? LIMIT : PREFERENCE, file, line, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_block_io(struct applying *a, const Grpc__LinuxBlockIO *b, struct err *e)
{
	if (b->weight != 0 && set_number(a, PREFERENCE, "blkio.bfq.weight", b->weight, e) < 0)
		return -1;
	for (size_t i = 0; i < b->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *w = b->weightdevice[i];
		auto_free char *line = xasprintf("%lld:%lld %u", (long long)w->major,
						 (long long)w->minor, w->weight);

		if (set(a, PREFERENCE, "blkio.bfq.weight_device", line, e) < 0)
			return -1;
	}
	if (apply_throttle(a, b->throttlereadbpsdevice, b->n_throttlereadbpsdevice,
			   "blkio.throttle.read_bps_device", e) < 0 ||
	    apply_throttle(a, b->throttlewritebpsdevice, b->n_throttlewritebpsdevice,
			   "blkio.throttle.write_bps_device", e) < 0 ||
	    apply_throttle(a, b->throttlereadiopsdevice, b->n_throttlereadiopsdevice,
			   "blkio.throttle.read_iops_device", e) < 0)
		return -1;
	return apply_throttle(a, b->throttlewriteiopsdevice, b->n_throttlewriteiopsdevice,
			      "blkio.throttle.write_iops_device", e);
}

static int apply_network(struct applying *a, const Grpc__LinuxNetwork *n, struct err *e)
{
	if (n->classid != 0 && set_number(a, LIMIT, "net_cls.classid", n->classid, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n_priorities; i++) {
		auto_free char *line =
			xasprintf("%s %u", n->priorities[i]->name, n->priorities[i]->priority);

		if (set(a, LIMIT, "net_prio.ifpriomap", line, e) < 0)
			return -1;
	}
	return 0;
}

static int set_device(struct applying *a, bool allow, const char *line, struct err *e)
{
	return set(a, LIMIT, allow ? "devices.allow" : "devices.deny", line, e);
}

static void add_number(struct buf *b, int64_t number)
{
	if (number == DEVICE_ANY)
		buf_addf(b, "*");
	else
		buf_addf(b, "%lld", (long long)number);
}

/* The rules as one default and the exceptions from it, which is what the controller keeps, too. */
static int apply_devices(struct applying *a, const Grpc__LinuxResources *r, struct err *e)
{
	auto_device_rules struct device_rules rules = { .n = 0 };

	if (!device_rules_deny_any(r->devices, r->n_devices))
		return 0;
	if (device_rules_read(&rules, r->devices, r->n_devices, e) < 0 ||
	    set_device(a, rules.allow, "a", e) < 0)
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
		if (set_device(a, !rules.allow, line.data, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_all(struct applying *a, const Grpc__LinuxResources *r, struct err *e)
{
	if (cgroup_check_lists(r, e) < 0)
		return -1;
	if (r->cpu && apply_cpu(a, r->cpu, e) < 0)
		return -1;
	if (r->memory && apply_memory(a, r->memory, e) < 0)
		return -1;
	if (r->pids && r->pids->limit > 0 &&
	    set_number(a, LIMIT, "pids.max", r->pids->limit, e) < 0)
		return -1;
	if (r->pids && r->pids->limit <= 0 && set(a, PREFERENCE, "pids.max", "max", e) < 0)
		return -1;
	if (apply_huge_pages(a, r->hugepagelimits, r->n_hugepagelimits, e) < 0)
		return -1;
	if (r->blockio && apply_block_io(a, r->blockio, e) < 0)
		return -1;
	if (r->network && apply_network(a, r->network, e) < 0)
		return -1;
	return apply_devices(a, r, e);
}

int v1_apply(struct cgroup *cg, const Grpc__LinuxResources *resources, char **ret_skipped,
	     struct err *e)
{
	struct applying a = { .cg = cg, .skipped = BUF_INIT };
	int r = apply_all(&a, resources, e);

	if (r == 0 && ret_skipped)
		*ret_skipped = take_ptr(a.skipped.data);
	buf_done(&a.skipped);
	return r;
}

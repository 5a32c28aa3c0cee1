/* SPDX-License-Identifier: Apache-2.0 */
/* LinuxResources to the files of cgroup v2; what a missing file means is in cgroup.h. */
#include <stdio.h>
#include <string.h>

#include "agent/cgroup/cgroup_private.h"
#include "agent/cgroup/devices.h"
#include "agent/cgroup/setting.h"
#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/num.h"

#define PERIOD_DEFAULT_US 100000 /* cgroup-v2, "cpu.max" */
#define ENTRIES_MAX       1024   /* of any list in the resources */

/* A number, -1 for "max". */
static int set_limit(struct settings *s, enum importance importance, const char *file,
		     int64_t value, struct err *e)
{
	auto_free char *text = value < 0 ? xstrdup("max") : xasprintf("%lld", (long long)value);

	/* Taking a limit off that cannot exist is done. */
	return setting_write(s, value < 0 ? PREFERENCE : importance, file, text, e);
}

uint64_t cgroup_cpu_weight(uint64_t shares)
{
	const uint64_t least = 2, most = 262144;

	shares = shares < least ? least : shares > most ? most : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t cgroup_io_weight(uint64_t weight)
{
	const uint64_t least = 10, most = 1000;

	weight = weight < least ? least : weight > most ? most : weight;
	return 1 + (weight - 10) * 9999 / 990;
}

/* What cpu.max has now, for the half that an update leaves out. */
static void current_cpu_max(const struct cgroup *cg, int64_t *quota, uint64_t *period)
{
	struct err ignored = ERR_INIT;
	auto_free char *text = NULL;
	char *space;

	*quota = -1;
	*period = PERIOD_DEFAULT_US;
	if (file_read_line(cg->fd, "cpu.max", &text, &ignored) < 0)
		return;
	space = strchr(text, ' ');
	if (!space)
		return;
	*space = '\0';
	(void)num_i64(text, quota); /* "max" leaves it at -1 */
	(void)num_u64(space + 1, 10, period);
}

static int apply_cpu(struct settings *s, const Grpc__LinuxCPU *c, struct err *e)
{
	if (c->shares != 0) {
		auto_free char *weight =
			xasprintf("%llu", (unsigned long long)cgroup_cpu_weight(c->shares));

		if (setting_write(s, PREFERENCE, "cpu.weight", weight, e) < 0)
			return -1;
	}
	if (c->quota != 0 || c->period != 0) {
		int64_t quota;
		uint64_t period;
		auto_free char *text = NULL;

		current_cpu_max(s->cg, &quota, &period);
		quota = c->quota ? c->quota : quota;
		period = c->period ? c->period : period;
		text = quota < 0 ? xasprintf("max %llu", (unsigned long long)period)
				 : xasprintf("%lld %llu", (long long)quota,
					     (unsigned long long)period);
		if (setting_write(s, quota < 0 ? PREFERENCE : LIMIT, "cpu.max", text, e) < 0)
			return -1;
	}
	if (c->cpus[0] && setting_write(s, LIMIT, "cpuset.cpus", c->cpus, e) < 0)
		return -1;
	if (c->mems[0] && setting_write(s, LIMIT, "cpuset.mems", c->mems, e) < 0)
		return -1;
	if (c->realtimeperiod != 0 || c->realtimeruntime != 0)
		setting_skip(s, "real-time scheduling");
	return 0;
}

/* OCI counts memory and swap together, cgroup v2 swap alone. */
static int apply_swap(struct settings *s, const Grpc__LinuxMemory *m, struct err *e)
{
	int64_t limit = m->limit;

	if (m->swap < 0 || (m->swap == 0 && m->limit < 0))
		return set_limit(s, PREFERENCE, "memory.swap.max", -1, e);
	if (m->swap == 0)
		return 0;
	if (limit == 0) {
		struct err ignored = ERR_INIT;
		auto_free char *text = NULL;

		if (file_read_line(s->cg->fd, "memory.max", &text, &ignored) < 0 ||
		    !num_i64(text, &limit))
			limit = -1;
	}
	if (limit < 0 || m->swap < limit)
		return err_set(e, ERR_INVALID,
			       "the limit of memory and swap, %lld, is below the limit of memory",
			       (long long)m->swap);
	/* No swap at all: a guest without swap accounting has none either. */
	return set_limit(s, m->swap == limit ? PREFERENCE : LIMIT, "memory.swap.max",
			 m->swap - limit, e);
}

static int apply_memory(struct settings *s, const Grpc__LinuxMemory *m, struct err *e)
{
	if (m->limit != 0 && set_limit(s, LIMIT, "memory.max", m->limit, e) < 0)
		return -1;
	if (apply_swap(s, m, e) < 0)
		return -1;
	if (m->reservation != 0 && set_limit(s, PREFERENCE, "memory.low", m->reservation, e) < 0)
		return -1;
	if (m->kernel > 0 || m->kerneltcp > 0)
		setting_skip(s, "kernel memory limits");
	if (m->swappiness != 0)
		setting_skip(s, "swappiness");
	if (m->disableoomkiller)
		setting_skip(s, "disabled OOM killer");
	return 0;
}

static int apply_throttle(struct settings *s, Grpc__LinuxThrottleDevice *const *list, size_t n,
			  const char *key, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *rate =
			list[i]->rate ? xasprintf("%llu", (unsigned long long)list[i]->rate)
				      : xstrdup("max");
		auto_free char *line = xasprintf("%lld:%lld %s=%s", (long long)list[i]->major,
						 (long long)list[i]->minor, key, rate);

		if (setting_write(s, list[i]->rate ? LIMIT : PREFERENCE, "io.max", line, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_block_io(struct settings *s, const Grpc__LinuxBlockIO *b, struct err *e)
{
	if (b->leafweight != 0)
		setting_skip(s, "leaf weight");
	if (b->weight != 0) {
		auto_free char *weight =
			xasprintf("default %llu", (unsigned long long)cgroup_io_weight(b->weight));

		if (setting_write(s, PREFERENCE, "io.weight", weight, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < b->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *w = b->weightdevice[i];
		auto_free char *line =
			xasprintf("%lld:%lld %llu", (long long)w->major, (long long)w->minor,
				  (unsigned long long)cgroup_io_weight(w->weight));

		if (setting_write(s, PREFERENCE, "io.weight", line, e) < 0)
			return -1;
	}
	if (apply_throttle(s, b->throttlereadbpsdevice, b->n_throttlereadbpsdevice, "rbps", e) <
		    0 ||
	    apply_throttle(s, b->throttlewritebpsdevice, b->n_throttlewritebpsdevice, "wbps", e) <
		    0 ||
	    apply_throttle(s, b->throttlereadiopsdevice, b->n_throttlereadiopsdevice, "riops", e) <
		    0)
		return -1;
	return apply_throttle(s, b->throttlewriteiopsdevice, b->n_throttlewriteiopsdevice, "wiops",
			      e);
}

static int apply_devices(struct settings *s, const Grpc__LinuxResources *r, struct err *e)
{
	auto_device_rules struct device_rules rules = { .n = 0 };
	struct err why = ERR_INIT;

	if (!device_rules_deny_any(r->devices, r->n_devices))
		return 0;
	if (device_rules_read(&rules, r->devices, r->n_devices, e) < 0)
		return -1;
	if (device_filter_attach(&rules, s->cg->fd, &s->cg->devices, &why) < 0)
		setting_skip(s, why.text);
	return 0;
}

static int check_lists(const Grpc__LinuxResources *r, struct err *e)
{
	const Grpc__LinuxBlockIO *b = r->blockio;

	if (r->n_devices > ENTRIES_MAX || r->n_hugepagelimits > ENTRIES_MAX ||
	    (r->network && r->network->n_priorities > ENTRIES_MAX) ||
	    (b && (b->n_weightdevice > ENTRIES_MAX || b->n_throttlereadbpsdevice > ENTRIES_MAX ||
		   b->n_throttlewritebpsdevice > ENTRIES_MAX ||
		   b->n_throttlereadiopsdevice > ENTRIES_MAX ||
		   b->n_throttlewriteiopsdevice > ENTRIES_MAX)))
		return err_set(e, ERR_EXHAUSTED, "a list of resources has more than %d entries",
			       ENTRIES_MAX);
	return 0;
}

static int apply_all(struct settings *s, const Grpc__LinuxResources *r, struct err *e)
{
	if (r->cpu && apply_cpu(s, r->cpu, e) < 0)
		return -1;
	if (r->memory && apply_memory(s, r->memory, e) < 0)
		return -1;
	/* Present and not above 0 is "no limit": the hosts' way to take one off. */
	if (r->pids &&
	    set_limit(s, LIMIT, "pids.max", r->pids->limit > 0 ? r->pids->limit : -1, e) < 0)
		return -1;
	if (settings_huge_pages(s, r->hugepagelimits, r->n_hugepagelimits, "max", e) < 0)
		return -1;
	if (r->blockio && apply_block_io(s, r->blockio, e) < 0)
		return -1;
	if (r->network && (r->network->classid != 0 || r->network->n_priorities > 0))
		setting_skip(s, "network class and priorities");
	return apply_devices(s, r, e);
}

int cgroup_apply(struct cgroup *cg, const Grpc__LinuxResources *resources, char **ret_skipped,
		 struct err *e)
{
	struct settings s = { .cg = cg, .skipped = BUF_INIT };
	int r = check_lists(resources, e);

	if (r == 0)
		r = cg->v1 ? v1_apply(&s, resources, e) : apply_all(&s, resources, e);
	if (r == 0 && ret_skipped)
		*ret_skipped = take_ptr(s.skipped.data);
	buf_done(&s.skipped);
	return r;
}

int cgroup_widen_cpuset(struct cgroup *cg, const char *cpus, struct err *e)
{
	auto_free char *path = xstrdup(cg->path + 1);

	if (cg->v1)
		return v1_widen_cpuset(cg, cpus, e);
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		auto_free char *file = NULL;
		auto_free char *now = NULL;
		struct err why = ERR_INIT;

		*slash = '\0';
		file = xasprintf("%s/cpuset.cpus", path);
		/* Empty: it has its parent's already, new ones too. */
		if (file_read_line(cg->rootfd, file, &now, &why) < 0 || now[0] == '\0')
			continue;
		if (file_writef(cg->rootfd, file, e, "%s\n", cpus) < 0)
			return -1;
	}
	return 0;
}

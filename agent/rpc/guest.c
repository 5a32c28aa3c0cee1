/* SPDX-License-Identifier: Apache-2.0 */
/* The guest itself: details, clock, entropy, processors and memory that were plugged in. */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "agent/guest/metrics.h"
#include "agent/guest/online.h"
#include "agent/rpc/forward.h"
#include "agent/rpc/handlers.h"
#include "agent/rpc/projections.h"
#include "agent/storage/layers.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"

#define MEMORY_DIR      "/sys/devices/system/memory"
#define SEED_MAX        4096u                  /* bytes; more adds nothing to the kernel's pool */
#define ONLINE_LIMIT_MS 10000                  /* for processors to appear */
#define ORDERED_STREAMS "husk.ordered-streams" /* several reads of one stream at once are fine */

static void add_string(char ***list, size_t *n, const char *s)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(char *));
	(*list)[(*n)++] = xstrdup(s);
}

static Grpc__AgentDetails *agent_details(const struct sandbox *sb)
{
	Grpc__AgentDetails *d = xnew(Grpc__AgentDetails);

	grpc__agent_details__init(d);
	d->version = xstrdup(HUSK_VERSION);
	d->init_daemon = sb->is_init;
	for (size_t i = 0; i < storage_n_drivers; i++)
		add_string(&d->storage_handlers, &d->n_storage_handlers, storage_drivers[i]->name);
	d->supports_seccomp = true;
	/* Sorted, as Kata's agent lists its own. */
	add_string(&d->extra_features, &d->n_extra_features, LAYERS_BLOBS_FEATURE);
	add_string(&d->extra_features, &d->n_extra_features, FORWARD_FEATURE);
	add_string(&d->extra_features, &d->n_extra_features, ORDERED_STREAMS);
	add_string(&d->extra_features, &d->n_extra_features, PROJECTIONS_FEATURE);
	add_string(&d->extra_features, &d->n_extra_features, LAYERS_UPPER_FEATURE);
	add_string(&d->extra_features, &d->n_extra_features, "seccomp");
	return d;
}

HANDLER(on_get_guest_details)
{
	const Grpc__GuestDetailsRequest *details = req;
	Grpc__GuestDetailsResponse *answer = resp;
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;

	(void)e;
	/* A guest without memory hot-plug has no such file: the answer stays 0. */
	if (details->mem_block_size &&
	    file_read_line(AT_FDCWD, MEMORY_DIR "/block_size_bytes", &text, &absent) == 0)
		(void)num_u64(text, 16, &answer->mem_block_size_bytes);
	if (details->mem_hotplug_probe)
		answer->support_mem_hotplug_probe = access(MEMORY_DIR "/probe", F_OK) == 0;
	answer->agent_details = agent_details(call->self);
	return 0;
}

HANDLER(on_set_guest_date_time)
{
	const Grpc__SetGuestDateTimeRequest *date = req;
	struct timeval now = { .tv_sec = date->sec, .tv_usec = date->usec };

	(void)call;
	(void)resp;
	if (settimeofday(&now, NULL) < 0)
		return err_sys(e, errno, "set the clock");
	return 0;
}

/* What the pool took and counted as entropy (random(4)); the list of integers is the kernel's. */
static int add_entropy(int fd, const ProtobufCBinaryData *seed, struct err *e)
{
	size_t len = seed->len < SEED_MAX ? seed->len : SEED_MAX;
	auto_free struct rand_pool_info *info = xcalloc(1, sizeof(*info) + len);

	info->entropy_count = (int)len * 8;
	info->buf_size = (int)len;
	memcpy(info->buf, seed->data, len);
	if (ioctl(fd, RNDADDENTROPY, info) < 0)
		return err_sys(e, errno, "add entropy");
	if (ioctl(fd, RNDRESEEDCRNG) < 0)
		return err_sys(e, errno, "reseed the kernel's generator");
	return 0;
}

HANDLER(on_reseed_random_dev)
{
	const Grpc__ReseedRandomDevRequest *reseed = req;
	auto_close int fd = -1;

	(void)call;
	(void)resp;
	if (reseed->data.len == 0)
		return err_set(e, ERR_INVALID, "there is no data to seed with");
	fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open /dev/random");
	return add_entropy(fd, &reseed->data, e);
}

HANDLER(on_mem_hotplug_by_probe)
{
	const Grpc__MemHotplugByProbeRequest *probe = req;

	(void)call;
	(void)resp;
	for (size_t i = 0; i < probe->n_memhotplugprobeaddr; i++)
		if (file_writef(AT_FDCWD, MEMORY_DIR "/probe", e, "0x%llx",
				(unsigned long long)probe->memhotplugprobeaddr[i]) < 0)
			return err_wrap(e, "probe memory at 0x%llx",
					(unsigned long long)probe->memhotplugprobeaddr[i]);
	return 0;
}

struct metrics_work {
	uint64_t scrapes;
	char *text;
};

static void metrics_now(void *arg)
{
	struct metrics_work *w = arg;

	w->text = metrics_text("/proc", w->scrapes);
}

HANDLER(on_get_metrics)
{
	Grpc__Metrics *answer = resp;
	struct sandbox *sb = call->self;
	struct metrics_work w = { .scrapes = ++sb->scrapes };

	(void)req;
	(void)e;
	work_run(metrics_now, &w);
	answer->metrics = w.text;
	return 0;
}

/* The answers of an agent built without the feature (agent-protocol 1.1, 3.14). */
HANDLER(on_no_policy)
{
	(void)req;
	(void)resp;
	return err_set(e, ERR_NOT_FOUND, "/grpc.AgentService/%s is not supported", call->method);
}

HANDLER(on_no_mem_agent)
{
	(void)call;
	(void)req;
	(void)resp;
	return err_set(e, ERR_INTERNAL, "mem-agent is disabled");
}

static void widen_cpusets(const struct sandbox *sb)
{
	auto_free char *cpus = NULL;
	struct container *c;
	struct container *next;
	struct err e = ERR_INIT;

	if (file_read_line(AT_FDCWD, "/sys/devices/system/cpu/online", &cpus, &e) < 0) {
		log_warn("%s", e.text);
		return;
	}
	HASH_ITER(hh, sb->containers, c, next)
		if (c->cgroup && cgroup_widen_cpuset(c->cgroup, cpus, &e) < 0)
			log_warn("container %s: %s", c->id, e.text);
}

HANDLER(on_online_cpu_mem)
{
	const Grpc__OnlineCPUMemRequest *online = req;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(ONLINE_LIMIT_MS));

	(void)resp;
	if (online->nb_cpus > 0 && online_cpus("/sys", online->nb_cpus, d, e) < 0)
		return -1;
	if (!online->cpu_only && online_memory("/sys", e) < 0)
		return -1;
	widen_cpusets(call->self);
	return 0;
}

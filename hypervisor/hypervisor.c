/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual machines, whatever runs them: the table of drivers, start, stop, death, last words. */
#include "hypervisor/hypervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "hypervisor/driver.h"
#include "hypervisor/record.h"

#define DEATH_RATTLE_MS 100 /* from a failed step to the news that the VMM is dead */
#define OUTPUT_TAIL_MAX 600 /* bytes of one process's output in an error */

static const struct hv_ops *const drivers[] = { &hv_qemu_ops, &hv_clh_ops, &hv_fake_ops };

const struct hv_ops *hv_ops_find(const char *name, struct err *e)
{
	auto_buf struct buf known = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (strcmp(drivers[i]->name, name) != 0) {
			buf_addf(&known, "%s'%s'", i > 0 ? ", " : "", drivers[i]->name);
			continue;
		}
		if (drivers[i]->launch)
			return drivers[i];
		err_set(e, ERR_UNSUPPORTED,
			"hypervisor '%s' (Cloud Hypervisor) is not available in this version; use "
			"'qemu'",
			name);
		return NULL;
	}
	err_set(e, ERR_INVALID, "there is no hypervisor '%s'; there are %s", name, known.data);
	return NULL;
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void default_size(struct sizing *s, const struct config_hypervisor *c)
{
	if (s->vcpus == 0)
		s->vcpus = c->default_vcpus;
	if (s->memory_mib == 0)
		s->memory_mib = c->default_memory_mib;
	if (s->max_vcpus < s->vcpus)
		s->max_vcpus = s->vcpus;
	if (s->max_memory_mib < s->memory_mib)
		s->max_memory_mib = s->memory_mib;
}

static struct hv *hv_new(const struct hv_ops *ops, const struct hv_spec *spec)
{
	struct hv *hv = xnew(struct hv);

	hv->ops = ops;
	hv->spec = *spec;
	default_size(&hv->spec.size, &spec->config->hypervisor);
	hv->spec.id = copy(spec->id);
	hv->spec.run_dir = copy(spec->run_dir);
	hv->spec.share_dir = copy(spec->share_dir);
	hv->spec.cgroup = copy(spec->cgroup);
	return hv;
}

char *hv_run_path(const struct hv *hv, const char *name)
{
	return xasprintf("%s/%s", hv->spec.run_dir, name);
}

void hv_note_death(struct hv *hv, enum err_code code, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (hv->dead)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set(&hv->why, code, "%s", text);
	hv->dead = true;
	cond_wake_all(&hv->died);
}

size_t hv_nic_fds(const struct hv_nic *nic)
{
	if (nic->kind != HV_NIC_TAP)
		return 1;
	return nic->n_queues * (nic->vhost_fds ? 2u : 1u);
}

int hv_check_nics(const struct hv_nic *nics, size_t n, struct err *e)
{
	size_t fds = 0;

	if (n > HV_NICS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu network interfaces, the limit is %d", n,
			       HV_NICS_MAX);
	for (size_t i = 0; i < n; i++)
		fds += hv_nic_fds(&nics[i]);
	if (fds > HV_NIC_FDS_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "%zu descriptors for the queues of network interfaces, the limit is "
			       "%d (network_queues)",
			       fds, HV_NIC_FDS_MAX);
	return 0;
}

static int run_steps(struct hv *hv, struct deadline d, struct err *e)
{
	const struct {
		const char *what;
		int (*run)(struct hv *hv, struct undo *u, struct deadline d, struct err *e);
	} step[] = {
		{ "launch", hv->ops->launch },
		{ "connect", hv->ops->connect },
		{ "boot", hv->ops->boot },
	};

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		int64_t begun = clock_now_ms();

		if (step[i].run(hv, &hv->teardown, d, e) < 0)
			return err_wrap(e, "%s: %s", hv->ops->name, step[i].what);
		log_debug("%s: %s took %lld ms", hv->ops->name, step[i].what,
			  (long long)(clock_now_ms() - begun));
	}
	return 0;
}

bool hv_died(struct hv *hv, const struct err *e)
{
	struct deadline limit = deadline_in_ms(DEATH_RATTLE_MS);
	struct err ignored = ERR_INIT;

	while (e->code == ERR_UNAVAILABLE && !hv->dead && hv->processes &&
	       cond_wait(&hv->died, limit, &ignored) == 0)
		continue;
	return hv->dead;
}

static void explain(struct hv *hv, struct err *e)
{
	const char *words;

	if (hv_died(hv, e))
		(void)err_append(e, "%s", hv->why.text);
	words = hv_last_words(hv);
	if (*words != '\0')
		(void)err_append(e, "%s", words);
}

static void remove_records(void *arg)
{
	const struct hv *hv = arg;

	records_remove(hv->spec.run_dir);
}

int hv_start(const struct hv_spec *spec, struct deadline d, struct hv **ret, struct err *e)
{
	const struct hv_ops *ops = hv_ops_find(spec->config->runtime.hypervisor_name, e);
	struct hv *hv;

	if (!ops || hv_check_nics(spec->nics, spec->n_nics, e) < 0)
		return -1;
	hv = hv_new(ops, spec);
	undo_push(&hv->teardown, "process records", remove_records, hv);
	if (run_steps(hv, d, e) < 0) {
		explain(hv, e);
		hv_free(hv);
		return -1;
	}
	hv->spec.nics = NULL;
	*ret = hv;
	return 0;
}

void hv_stop(struct hv *hv)
{
	hv_note_death(hv, ERR_CANCELLED, "the virtual machine was stopped");
	/* All at once: freeing a guest's memory takes the kernel a while, and the undo stack waits. */
	for (struct hv_process *p = hv->processes; p; p = hv_process_next(p))
		hv_process_kill(p);
	undo_run(&hv->teardown);
}

void hv_free(struct hv *hv)
{
	if (!hv)
		return;
	hv_stop(hv);
	hv_free_devices(hv);
	console_done(&hv->console);
	buf_done(&hv->last_words);
	free((char *)(uintptr_t)hv->spec.id);
	free((char *)(uintptr_t)hv->spec.run_dir);
	free((char *)(uintptr_t)hv->spec.share_dir);
	free((char *)(uintptr_t)hv->spec.cgroup);
	free(hv);
}

pid_t hv_pid(const struct hv *hv)
{
	return hv->vmm_pid;
}

const char *hv_nic_address(const struct hv *hv, size_t nic)
{
	return hv->nic_address[nic];
}

const struct transport_address *hv_agent_address(const struct hv *hv)
{
	return &hv->agent;
}

void hv_wait_agent_channel(struct hv *hv, struct deadline d)
{
	if (hv->ops->wait_agent_channel)
		hv->ops->wait_agent_channel(hv, d);
}

int hv_wait_dead(struct hv *hv, struct deadline d, struct err *why, struct err *e)
{
	while (!hv->dead)
		if (cond_wait(&hv->died, d, e) < 0)
			return err_wrap(e, "wait for the end of %s", hv->ops->name);
	*why = hv->why;
	return 0;
}

struct hv_dead_process hv_dead_process(const struct hv *hv)
{
	return hv->dead_process;
}

static void add_words(struct buf *out, const char *who, const struct console *said)
{
	auto_buf struct buf tail = BUF_INIT;

	console_tail(said, OUTPUT_TAIL_MAX, &tail);
	if (tail.len > 0)
		buf_addf(out, "%s%s: %s", out->len > 0 ? "; " : "", who, tail.data);
}

const char *hv_last_words(struct hv *hv)
{
	struct buf *out = &hv->last_words;

	out->len = 0;
	for (const struct hv_process *p = hv->processes; p; p = hv_process_next(p))
		add_words(out, hv_process_name(p), hv_process_output(p));
	add_words(out, "guest console", &hv->console);
	return out->len > 0 ? out->data : "";
}

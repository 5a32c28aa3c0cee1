/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration, machine and record of the sandbox; see boot.h. */
#include "shim/task/boot.h"

#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "config/annotations.h"
#include "shim/options.h"
#include "shim/record.h"
#include "shim/task/watch.h"

static int load_config(struct task_service *s, const struct boot_request *r, struct err *e)
{
	auto_free char *path = options_config_path(r->options);

	if (config_load(path[0] ? path : s->config_path, &s->config, e) < 0 ||
	    config_apply_annotations(s->config, &r->spec->annotations, e) < 0)
		return -1;
	if (s->config->runtime.enable_debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return record_state_dir(r->bundle, s->config->runtime.state_dir, e);
}

/*
 * It has ended. A Create in it that hangs has its files by the same names as the next one's: it is waited
 * for, as long as it was given itself.
 */
static int free_earlier(struct task_service *s, struct deadline d, struct err *e)
{
	struct deadline limit =
		deadline_in_ms(s->config->agent.create_container_timeout_s * 1000ll);

	if (sandbox_wait_left(s->sandbox, deadline_min(d, limit), e) < 0)
		return err_wrap(e, "the sandbox before has not ended");
	sandbox_free(take_ptr(s->sandbox));
	return 0;
}

static int boot(struct task_service *s, const struct boot_request *r, struct deadline d,
		struct err *e)
{
	struct sandbox_params params = {
		.id = s->sandbox_id,
		.ns = s->ns,
		.bundle = r->bundle,
		.spec = r->spec,
	};

	if (s->sandbox && free_earlier(s, d, e) < 0)
		return -1;
	config_free(take_ptr(s->config));
	s->ended = s->agent_lost = false;
	if (load_config(s, r, e) < 0)
		return -1;
	params.config = s->config;
	return sandbox_start(&params, d, &s->sandbox, e);
}

int service_boot(struct task_service *s, const struct boot_request *r, struct deadline d,
		 struct err *e)
{
	struct shim_record record = { .ns = s->ns, .bundle = r->bundle, .shim_pid = getpid() };
	int result;

	s->booting = true;
	result = boot(s, r, d, e);
	s->booting = false;
	cond_wake_all(&s->sandbox_changed);
	if (result < 0)
		return -1;
	record.vmm_pid = s->vmm_pid = sandbox_vmm_pid(s->sandbox);
	watch_sandbox(s);
	if (record_write(s->config->runtime.state_dir, s->sandbox_id, &record, e) == 0)
		return 0;
	service_undo_boot(s);
	return -1;
}

/* The sandbox itself is freed by whoever wants the next one, or by the service. */
void service_undo_boot(void *arg)
{
	struct task_service *s = arg;
	struct err e = ERR_INIT;

	service_end_sandbox(s);
	while (s->ending)
		if (service_wait_ended(s, DEADLINE_NEVER, &e) < 0)
			log_debug("%s", e.text);
}

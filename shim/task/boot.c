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

static int start(struct task_service *s, const struct boot_request *r, struct deadline d,
		 struct err *e)
{
	const struct sandbox_params params = {
		.id = s->sandbox_id,
		.ns = s->ns,
		.bundle = r->bundle,
		.config = s->config,
		.spec = r->spec,
	};
	int result;

	s->booting = true;
	result = sandbox_start(&params, d, &s->sandbox, e);
	s->booting = false;
	cond_wake_all(&s->sandbox_changed);
	if (result < 0)
		return -1;
	s->vmm_pid = sandbox_vmm_pid(s->sandbox);
	watch_sandbox(s);
	return 0;
}

int service_boot(struct task_service *s, const struct boot_request *r, struct deadline d,
		 struct err *e)
{
	auto_free char *config_path = options_config_path(r->options);
	struct shim_record record = { .ns = s->ns, .bundle = r->bundle, .shim_pid = getpid() };

	sandbox_free(take_ptr(s->sandbox)); /* an earlier one, which has ended */
	config_free(take_ptr(s->config));
	s->ended = s->agent_lost = false;
	if (config_load(config_path[0] ? config_path : s->config_path, &s->config, e) < 0 ||
	    config_apply_annotations(s->config, &r->spec->annotations, e) < 0)
		return -1;
	if (s->config->runtime.enable_debug)
		log_set_level(LOG_LEVEL_DEBUG);
	if (record_state_dir(r->bundle, s->config->runtime.state_dir, e) < 0 ||
	    start(s, r, d, e) < 0)
		return -1;
	record.vmm_pid = s->vmm_pid;
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

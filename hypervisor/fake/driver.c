/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No virtual machine at all: the real agent as a process of the host, for tests of everything above
 * the driver. [hypervisor.fake] path is the agent's; the installed one without it.
 *
 * It is not confined: the agent makes namespaces and mounts for its containers. Never for guests
 * that are not trusted.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/net/transport.h"
#include "hypervisor/driver.h"

static void remove_socket(void *arg)
{
	const struct hv *hv = arg;

	(void)unlink(hv->agent.path);
}

static int fake_launch(struct hv *hv, struct undo *u, struct deadline d, struct err *e)
{
	const char *path = hv->spec.config->hypervisor.path;
	auto_free char *uri = NULL;
	auto_free char *socket = hv_run_path(hv, "agent.sock");
	const char *argv[] = { *path != '\0' ? path : HUSK_LIBEXECDIR "/husk-agent",
			       "--server-addr", NULL, NULL };
	struct hv_process_spec spec = { .name = "husk-agent", .argv = argv };
	struct hv_process *p;

	(void)d;
	uri = xasprintf("unix://%s", socket);
	if (transport_parse(uri, &hv->agent, e) < 0)
		return -1;
	argv[2] = uri;
	undo_push(u, "agent socket", remove_socket, hv);
	p = hv_process_start(hv, &spec, u, e);
	if (!p)
		return -1;
	hv->vmm_pid = hv_process_pid(p);
	return 0;
}

/* The agent is its own control channel, and it runs as soon as it is there. */
static int nothing(struct hv *hv, struct undo *u, struct deadline d, struct err *e)
{
	(void)hv;
	(void)u;
	(void)d;
	(void)e;
	return 0;
}

const struct hv_ops hv_fake_ops = {
	.name = "fake",
	.launch = fake_launch,
	.connect = nothing,
	.boot = nothing,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl direct-volume: what a storage driver says of a volume, and what it asks of one in use. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/base/num.h"
#include "common/json/json.h"
#include "common/net/unix.h"
#include "common/rpc/client.h"
#include "config/config.h"
#include "config/direct_volume.h"
#include "ctl/command.h"
#include "ctl/sandboxes.h"
#include "husk.pb-c.h"

#define CONNECT_MS 5000
#define ANSWER_MS  150000 /* the shim gives a file system that grows two minutes */

struct call {
	const struct command_args *args;
	const char *state_dir;
	struct err e;
	bool failed;
};

/* ---- To the shim that has it ---- */

static int find_shim(const struct call *c, char **ret, struct err *e)
{
	auto_strv char **users = NULL;

	if (direct_volume_users(DIRECT_VOLUME_DIR, c->args->volume_path, &users, e) < 0)
		return -1;
	for (size_t i = 0; users && users[i]; i++) {
		auto_free char *dir = NULL;
		struct err gone = ERR_INIT; /* a sandbox that crashed */

		if (sandboxes_find(c->state_dir, users[i], &dir, &gone) == 0)
			return sandboxes_socket(dir, ret, e);
	}
	return err_set(e, ERR_STATE, "no sandbox has the volume '%s'", c->args->volume_path);
}

static int call_shim(const struct call *c, const char *method, const void *req, void *ret_resp,
		     struct err *e)
{
	auto_free char *socket = NULL;
	struct rpc_client *client;
	struct io *io;
	int r;

	if (find_shim(c, &socket, e) < 0)
		return -1;
	io = unix_connect(socket, deadline_in_ms(CONNECT_MS), e);
	if (!io)
		return err_wrap(e, "connect to '%s'", socket);
	client = rpc_client_new(io, "shim");
	r = rpc_call(client, &husk__volumes__descriptor, method, NULL, req, ret_resp,
		     deadline_in_ms(ANSWER_MS), e);
	rpc_client_free(client);
	return r;
}

/* ---- Actions ---- */

static int add(struct call *c, struct err *e)
{
	return direct_volume_add(DIRECT_VOLUME_DIR, c->args->volume_path, c->args->mount_info, e);
}

static int take_away(struct call *c, struct err *e)
{
	return direct_volume_remove(DIRECT_VOLUME_DIR, c->args->volume_path, e);
}

static int stats(struct call *c, struct err *e)
{
	Husk__VolumeRequest req;
	Grpc__VolumeStatsResponse *resp = NULL;
	auto_strv char **usage = NULL;
	auto_free char *list = NULL, *text = NULL;

	husk__volume_request__init(&req);
	req.path = (char *)(uintptr_t)c->args->volume_path;
	if (call_shim(c, "Stats", &req, &resp, e) < 0)
		return -1;
	for (size_t i = 0; i < resp->n_usage; i++) {
		const Grpc__VolumeUsage *u = resp->usage[i];
		auto_free char *one = json_object("u:available", (unsigned long long)u->available,
						  "u:total", (unsigned long long)u->total, "u:used",
						  (unsigned long long)u->used, "u:unit",
						  (unsigned long long)u->unit, NULL);

		strv_add(&usage, one);
	}
	list = json_array((const char *const *)usage);
	text = json_object("o:usage", list, NULL);
	printf("%s\n", text);
	grpc__volume_stats_response__free_unpacked(resp, NULL);
	return 0;
}

static int resize(struct call *c, struct err *e)
{
	Husk__VolumeGrowRequest req;

	husk__volume_grow_request__init(&req);
	req.path = (char *)(uintptr_t)c->args->volume_path;
	if (!num_u64(c->args->size, 10, &req.size) || req.size == 0)
		return err_set(e, ERR_INVALID, "--size '%s' is no number of bytes", c->args->size);
	return call_shim(c, "Grow", &req, NULL, e);
}

static const struct action {
	const char *name;
	int (*run)(struct call *c, struct err *e);
	bool mount_info, size;
} actions[] = {
	{ "add", add, .mount_info = true },
	{ "remove", take_away, .mount_info = false },
	{ "stats", stats, .mount_info = false },
	{ "resize", resize, .size = true },
};

static const struct action *find_action(const struct command_args *args, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		const struct action *a = &actions[i];

		if (strcmp(a->name, args->name) != 0)
			continue;
		if (!args->volume_path)
			err_set(e, ERR_INVALID, "--volume-path is missing");
		else if (a->mount_info != !!args->mount_info)
			err_set(e, ERR_INVALID, "--mount-info belongs to add");
		else if (a->size != !!args->size)
			err_set(e, ERR_INVALID, "--size belongs to resize");
		else
			return a;
		return NULL;
	}
	err_set(e, ERR_INVALID, "'%s' is none of add, remove, stats, resize", args->name);
	return NULL;
}

static void run(void *arg)
{
	struct call *c = arg;
	const struct action *a = find_action(c->args, &c->e);

	c->failed = !a || a->run(c, &c->e) < 0;
}

int command_direct_volume(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	struct call c = { .args = args, .e = ERR_INIT };

	if (config_load(args->config, &config, &c.e) < 0) {
		c.failed = true;
	} else {
		c.state_dir = config->runtime.state_dir;
		fiber_main(run, &c);
	}
	if (c.failed)
		fprintf(stderr, "huskctl: direct-volume: %s\n", c.e.text);
	return c.failed;
}

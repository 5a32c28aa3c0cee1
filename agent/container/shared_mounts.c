/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts between containers, the agent's side; see shared_mounts.h. share_mount.c does the work. */
#include "agent/container/shared_mounts.h"

#include <string.h>

#include "common/async/command.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define SOURCE_WAIT_MS 10000 /* as Kata's agent */
#define SOURCE_LOOK_MS 100
#define SHARE_MOUNT_MS (SOURCE_WAIT_MS + 5000) /* the process waits for the mount by itself */

const char *container_given_name(const Grpc__Spec *spec)
{
	/* containerd's and CRI-O's. */
	static const char *const keys[] = { "io.kubernetes.cri.container-name",
					    "io.kubernetes.container.name" };

	for (size_t k = 0; k < ARRAY_LEN(keys); k++)
		for (size_t i = 0; i < spec->n_annotations; i++)
			if (strcmp(spec->annotations[i]->key, keys[k]) == 0)
				return spec->annotations[i]->value;
	return NULL;
}

static int mount_namespace(const struct container *c)
{
	for (size_t i = 0; i < c->n_ns; i++)
		if (strcmp(c->ns[i].type, "mount") == 0)
			return c->ns[i].fd;
	return -1;
}

static struct container *find_by_name(const struct sandbox *sb, const char *name)
{
	for (struct container *c = sb->containers; c; c = c->hh.next)
		if (c->name && strcmp(c->name, name) == 0 && mount_namespace(c) >= 0)
			return c;
	return NULL;
}

/* Its descriptor is borrowed: the caller uses it before it waits again. */
static int wait_source(const struct sandbox *sb, const char *name, struct deadline d, int *ret,
		       struct err *e)
{
	const struct container *source;

	while (!(source = find_by_name(sb, name))) {
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "there is no container named '%s'", name);
		if (fiber_sleep_ms(SOURCE_LOOK_MS, e) < 0)
			return -1;
	}
	*ret = mount_namespace(source);
	return 0;
}

static int add_one(const struct container *c, const Grpc__SharedMount *m, struct deadline d,
		   struct err *e)
{
	const char *const argv[] = { "husk-agent", SHARE_MOUNT_COMMAND, m->src_path, m->dst_path,
				     NULL };
	struct child_fd fds[] = { { -1, 3 }, { mount_namespace(c), 4 } };
	const struct command run = {
		.path = "/proc/self/exe", .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds)
	};
	struct deadline found = deadline_min(d, deadline_in_ms(SOURCE_WAIT_MS));

	if (!path_is_clean(m->src_path) || !path_is_clean(m->dst_path))
		return err_set(e, ERR_INVALID, "'%s' or '%s' is no absolute path", m->src_path,
			       m->dst_path);
	if (wait_source(c->sandbox, m->src_ctr, found, &fds[0].from, e) < 0)
		return -1;
	return command_run(&run, deadline_min(d, deadline_in_ms(SHARE_MOUNT_MS)), NULL, NULL, e);
}

int shared_mounts_add(const struct container *c, Grpc__SharedMount *const *mount, size_t n,
		      struct deadline d, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (add_one(c, mount[i], d, e) < 0)
			return err_wrap(e, "shared mount '%s' of container '%s'", mount[i]->name,
					mount[i]->src_ctr);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The namespaces of a container, seen from the agent; see namespace_set.h. */
#include "agent/container/namespace_set.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "agent/container/namespaces.h"
#include "agent/container/pod_init.h"
#include "common/base/mem.h"

/* The stage's word for a kind, and its file in /proc/PID/ns. */
static const struct kind {
	unsigned flag;
	const char *type, *file;
} kinds[] = {
	{ CLONE_NEWUSER, "user", "user" },       { CLONE_NEWIPC, "ipc", "ipc" },
	{ CLONE_NEWUTS, "uts", "uts" },          { CLONE_NEWNET, "network", "net" },
	{ CLONE_NEWCGROUP, "cgroup", "cgroup" }, { CLONE_NEWNS, "mount", "mnt" },
};

static const struct kind *kind_find(unsigned flag)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].flag == flag)
			return &kinds[i];
	return NULL;
}

static const struct kind *kind_of_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

static bool has(const struct namespace_set *s, unsigned flag)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->ns[i].type, kind_find(flag)->type) == 0)
			return true;
	return false;
}

static int add(struct namespace_set *s, unsigned flag, int fd, struct err *e)
{
	const struct kind *kind = kind_find(flag);

	if (has(s, flag))
		return err_set(e, ERR_INVALID, "namespace '%s' is given twice", kind->type);
	s->ns[s->n++] = (struct process_namespace){ .type = kind->type, .fd = fd };
	return 0;
}

static int choose_one(struct namespace_set *s, const struct sandbox *sb,
		      const Grpc__LinuxNamespace *entry, struct err *e)
{
	unsigned flag;
	int fd = -1;

	if (namespace_flag(entry->type, &flag, e) < 0)
		return -1;
	if (flag == CLONE_NEWPID)
		return 0; /* decided by sandbox_pidns of the request, whatever the host's path */
	if (flag == CLONE_NEWIPC)
		fd = sb->ipc_ns;
	else if (flag == CLONE_NEWUTS)
		fd = sb->uts_ns;
	else if (entry->path[0]) {
		fd = open(entry->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno, "open the %s namespace '%s'", entry->type,
				       entry->path);
		s->opened[s->n] = fd;
	}
	return add(s, flag, fd, e);
}

static const struct container *lender_of_pid(const struct sandbox *sb)
{
	for (const struct container *c = sb->containers; c; c = c->hh.next)
		if (c->lends_pid_ns)
			return c;
	return NULL;
}

/* A pid namespace ends with its first process: from then on nothing can be started in it. */
static int choose_pid(struct namespace_set *s, const struct container *c, bool share, struct err *e)
{
	struct sandbox *sb = c->sandbox;
	const struct container *lender = lender_of_pid(sb);

	if (!share)
		return 0;
	if (c->in_pod && (sb->pid_ns < 0 || sb->pod_init) && pod_init_provide(sb, e) < 0)
		return -1;
	if (lender && !sb->pod_init && (!lender->init || lender->init->exited))
		return err_set(e, ERR_STATE,
			       "the sandbox's shared pid namespace has ended with container %s",
			       lender->id);
	if (sb->pid_ns >= 0)
		s->pidns_fd = &sb->pid_ns;
	else if (HASH_COUNT(sb->containers) > 1) /* this one is in the table already */
		return err_set(e, ERR_STATE,
			       "the container whose pid namespace the sandbox shares was removed");
	return 0;
}

int namespace_set_choose(const struct container *c, const Grpc__Linux *linux_spec, bool share_pid,
			 struct namespace_set *ret, struct err *e)
{
	struct namespace_set s = { .n = 0 };
	int r = 0;

	for (size_t i = 0; i < CONTAINER_NAMESPACES_MAX; i++)
		s.opened[i] = -1;
	if (linux_spec->n_namespaces > CONTAINER_NAMESPACES_MAX)
		return err_set(e, ERR_INVALID, "%zu namespaces, there are not that many kinds",
			       linux_spec->n_namespaces);
	for (size_t i = 0; i < linux_spec->n_namespaces && r == 0; i++)
		r = choose_one(&s, c->sandbox, linux_spec->namespaces[i], e);
	if (r == 0 && !has(&s, CLONE_NEWNS))
		r = add(&s, CLONE_NEWNS, -1, e);
	/* Hosts leave it out, and the mount at /sys/fs/cgroup is the container's own directory. */
	if (r == 0 && c->cgroup && !cgroup_files(c->cgroup) && !has(&s, CLONE_NEWCGROUP))
		r = add(&s, CLONE_NEWCGROUP, -1, e);
	if (r == 0)
		r = choose_pid(&s, c, share_pid, e);
	if (r < 0) {
		namespace_set_done(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void namespace_set_done(struct namespace_set *s)
{
	for (size_t i = 0; i < CONTAINER_NAMESPACES_MAX; i++)
		if (s->opened[i] >= 0)
			(void)close(take_fd(&s->opened[i]));
	s->n = 0;
}

static int open_of_init(const struct container *c, const char *file, int *ret, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d/ns/%s", (int)child_pid(c->init->child), file);

	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

int namespaces_remember(struct container *c, const struct namespace_set *s, struct err *e)
{
	struct sandbox *sb = c->sandbox;

	if (open_of_init(c, "pid", &c->pid_ns, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		int fd;

		if (open_of_init(c, kind_of_type(s->ns[i].type)->file, &fd, e) < 0)
			return -1;
		c->ns[c->n_ns++] = (struct process_namespace){ .type = s->ns[i].type, .fd = fd };
	}
	if (sb->pid_ns < 0 && !c->in_pod && HASH_COUNT(sb->containers) == 1) {
		sb->pid_ns = fcntl(c->pid_ns, F_DUPFD_CLOEXEC, 3);
		if (sb->pid_ns < 0)
			return err_sys(e, errno, "keep the pid namespace");
		c->lends_pid_ns = true;
	}
	return 0;
}

void namespaces_forget(struct container *c)
{
	while (c->n_ns > 0)
		(void)close(c->ns[--c->n_ns].fd);
	if (c->pid_ns >= 0)
		(void)close(take_fd(&c->pid_ns));
	if (c->lends_pid_ns && c->sandbox->pid_ns >= 0)
		(void)close(take_fd(&c->sandbox->pid_ns));
	c->lends_pid_ns = false;
}

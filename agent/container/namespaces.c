/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces of a container's process: joined by descriptor or made anew, and user id maps. */
#include "agent/container/namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/userns.h"

#define ID_MAP_LINES_MAX 340 /* user_namespaces(7) */

int namespace_flag(const char *type, unsigned *ret, struct err *e)
{
	static const struct {
		const char *type;
		unsigned flag;
	} table[] = {
		{ "pid", CLONE_NEWPID },       { "ipc", CLONE_NEWIPC },
		{ "uts", CLONE_NEWUTS },       { "mount", CLONE_NEWNS },
		{ "mnt", CLONE_NEWNS },        { "user", CLONE_NEWUSER },
		{ "cgroup", CLONE_NEWCGROUP }, { "network", CLONE_NEWNET },
		{ "net", CLONE_NEWNET },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].type, type) == 0) {
			*ret = table[i].flag;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "'%s' is no kind of namespace", type);
}

char *namespace_id_map(Grpc__LinuxIDMapping *const *map, size_t n, struct err *e)
{
	auto_buf struct buf text = BUF_INIT;

	if (n == 0 || n > ID_MAP_LINES_MAX) {
		err_set(e, ERR_INVALID, "%zu id mappings, 1 to %d are possible", n,
			ID_MAP_LINES_MAX);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		buf_addf(&text, "%u %u %u\n", map[i]->containerid, map[i]->hostid, map[i]->size);
	return take_ptr(text.data);
}

static int join(const struct stage *s, unsigned which, struct err *e)
{
	for (size_t i = 0; i < s->req->n_namespaces; i++) {
		const Husk__Stage__StageNamespace *ns = s->req->namespaces[i];
		unsigned flag;

		if (namespace_flag(ns->type, &flag, e) < 0)
			return -1;
		if (!(flag & which & s->joined_ns))
			continue;
		if (setns(ns->fd, (int)flag) < 0)
			return err_sys(e, errno, "setns %s", ns->type);
		(void)close(ns->fd);
	}
	return 0;
}

int namespaces_join(struct stage *s, struct err *e)
{
	/* The mount namespace last of these: joining it takes the guest's files out of sight. */
	if (join(s, ~(unsigned)(CLONE_NEWUSER | CLONE_NEWNS), e) < 0)
		return -1;
	return join(s, CLONE_NEWNS, e);
}

/* The ids that own the namespace: its 0, which the maps must therefore contain. */
static int become_root_inside(struct err *e)
{
	if (setgroups(0, NULL) < 0)
		return err_sys(e, errno, "setgroups");
	if (setresgid(0, 0, 0) < 0)
		return err_sys(e, errno, "become group 0 of the user namespace");
	if (setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become user 0 of the user namespace");
	return 0;
}

int namespaces_join_user(struct stage *s, struct err *e)
{
	if (!(s->joined_ns & CLONE_NEWUSER))
		return 0;
	if (join(s, CLONE_NEWUSER, e) < 0)
		return -1;
	return become_root_inside(e);
}

static _Noreturn void write_maps(int go, int self_proc, const char *uids, const char *gids)
{
	struct err e = ERR_INIT;
	char byte;

	if (read_full(go, &byte, 1) != 1)
		_exit(1);
	if (file_write(self_proc, "uid_map", uids, strlen(uids), &e) < 0 ||
	    file_write(self_proc, "gid_map", gids, strlen(gids), &e) < 0)
		_exit(e.sys ? e.sys : 1);
	_exit(0);
}

/*
 * The maps of a new user namespace must be written by somebody with privileges outside it, after it
 * was made. A child that was forked before, and so stays in the guest's user namespace, does it on a
 * byte's notice; its exit code is the errno.
 */
static int create_user(const struct stage *s, struct err *e)
{
	auto_free char *uids =
		namespace_id_map(s->linux_spec->uidmappings, s->linux_spec->n_uidmappings, e);
	auto_free char *gids =
		uids ? namespace_id_map(s->linux_spec->gidmappings, s->linux_spec->n_gidmappings, e)
		     : NULL;
	auto_close int self_proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int go[2];
	int status;
	pid_t helper;

	if (!uids || !gids)
		return -1;
	if (self_proc < 0)
		return err_sys(e, errno, "open /proc/self");
	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	helper = fork();
	if (helper < 0)
		return err_sys(e, errno, "fork");
	if (helper == 0) {
		(void)close(go[1]);
		write_maps(go[0], self_proc, uids, gids);
	}
	(void)close(go[0]);
	if (unshare(CLONE_NEWUSER) < 0) {
		err_sys(e, errno, "unshare user");
		(void)close(go[1]);
		(void)waitpid(helper, NULL, 0);
		return -1;
	}
	(void)!write(go[1], "", 1);
	(void)close(go[1]);
	if (waitpid(helper, &status, 0) < 0)
		return err_sys(e, errno, "wait for the id maps");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_sys(e, WIFEXITED(status) ? WEXITSTATUS(status) : EIO, "write id maps");
	return become_root_inside(e);
}

int namespaces_open_user(const struct stage *s, struct err *e)
{
	auto_free char *uids = NULL;
	auto_free char *gids = NULL;

	for (size_t i = 0; i < s->req->n_namespaces; i++) {
		const Husk__Stage__StageNamespace *ns = s->req->namespaces[i];
		unsigned flag;
		int fd;

		if (namespace_flag(ns->type, &flag, e) < 0)
			return -1;
		if (!(flag & CLONE_NEWUSER & s->joined_ns))
			continue;
		fd = fcntl(ns->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, errno, "duplicate the user namespace") : fd;
	}
	if (!(s->new_ns & CLONE_NEWUSER))
		return err_set(e, ERR_INVALID, "owners are to be mapped without a user namespace");
	uids = namespace_id_map(s->linux_spec->uidmappings, s->linux_spec->n_uidmappings, e);
	gids = uids ? namespace_id_map(s->linux_spec->gidmappings, s->linux_spec->n_gidmappings, e)
		    : NULL;
	return gids ? userns_with_maps(uids, gids, e) : -1;
}

int namespaces_create(struct stage *s, struct err *e)
{
	unsigned others = s->new_ns & ~(unsigned)CLONE_NEWUSER;

	if ((s->new_ns & CLONE_NEWUSER) && create_user(s, e) < 0)
		return -1;
	if (unshare((int)others) < 0)
		return err_sys(e, errno, "unshare");
	return 0;
}

/* In a joined uts namespace the name is the sandbox's, not this container's to change. */
int namespaces_set_hostname(struct stage *s, struct err *e)
{
	const char *name = s->spec->hostname;

	if (!name[0] || !(s->new_ns & CLONE_NEWUTS))
		return 0;
	if (sethostname(name, strlen(name)) < 0)
		return err_sys(e, errno, "sethostname '%s'", name);
	return 0;
}

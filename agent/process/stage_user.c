/* SPDX-License-Identifier: Apache-2.0 */
/* Who the program runs as, and its HOME. */
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "agent/process/passwd.h"
#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

/* A file of the image, as text; an image without it is like one where it is empty. */
static char *read_of_image(const struct stage *s, const char *path)
{
	struct err why = ERR_INIT;
	auto_close int fd = path_open_in_root(s->rootfd, path, O_RDONLY | O_NONBLOCK, 0, &why);
	char *text = NULL;

	if (fd < 0 || fd_read_all(fd, PASSWD_MAX, path, &text, NULL, &why) < 0)
		return xstrdup("");
	return text;
}

static void add_groups(struct stage *s, const gid_t *gid, size_t n)
{
	s->groups = xrealloc(s->groups, (s->n_groups + n + 1) * sizeof(*s->groups));
	for (size_t i = 0; i < n; i++)
		s->groups[s->n_groups++] = gid[i];
}

static int find_name(struct stage *s, const char *name, const char *passwd, struct err *e)
{
	auto_free char *group = read_of_image(s, "/etc/group");
	auto_free gid_t *gids = NULL;
	size_t n;

	if (!passwd_find_name(passwd, name, &s->uid, &s->gid))
		return err_set(e, ERR_NOT_FOUND, "no user '%s' in the container's /etc/passwd",
			       name);
	n = group_find_member(group, name, &gids);
	add_groups(s, gids, n);
	return 0;
}

/* The entry of the same name as `line`, "NAME=…"; NULL: there is none yet. */
static char **env_find(char **env, const char *line)
{
	size_t len = (size_t)(strchr(line, '=') - line) + 1;

	for (; env && *env; env++)
		if (strncmp(*env, line, len) == 0)
			return env;
	return NULL;
}

/* A name that is given twice has its last value, as under other runtimes: getenv(3) finds the first. */
static void env_set(struct stage *s, const char *line)
{
	char **old = env_find(s->env, line);

	if (!old) {
		strv_add(&s->env, line);
		return;
	}
	free(*old);
	*old = xstrdup(line);
}

/* As given but for what is no "NAME=value", which no program could read, and HOME. */
static void make_environment(struct stage *s, const char *passwd)
{
	const Grpc__Process *p = s->process;

	for (size_t i = 0; i < p->n_env; i++)
		if (strchr(p->env[i], '=') > p->env[i])
			env_set(s, p->env[i]);
	if (!env_find(s->env, "HOME=")) {
		auto_free char *home = passwd_find_home(passwd, s->uid);
		auto_free char *line = xasprintf("HOME=%s", home ? home : "/");

		strv_add(&s->env, line);
	}
}

int stage_find_user(struct stage *s, struct err *e)
{
	const Grpc__User *u = s->process->user;
	auto_free char *passwd = NULL;

	if (s->rootfd < 0)
		s->rootfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->rootfd < 0)
		return err_sys(e, errno, "open '/'");
	passwd = read_of_image(s, "/etc/passwd");
	if (u && u->n_additionalgids > GROUPS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu additional groups, at most %d are possible",
			       u->n_additionalgids, GROUPS_MAX);
	if (u) {
		s->uid = u->uid;
		s->gid = u->gid;
		add_groups(s, u->additionalgids, u->n_additionalgids);
		if (u->username[0] && find_name(s, u->username, passwd, e) < 0)
			return -1;
	}
	make_environment(s, passwd);
	return 0;
}

/* Groups first: afterwards there is no right to change them. Permitted capabilities are kept over
 * the change of user for the steps that follow, and dropped by stage_set_capabilities(). */
int stage_set_user(struct stage *s, struct err *e)
{
	if (setgroups(s->n_groups, s->groups) < 0)
		return err_sys(e, errno, "setgroups");
	if (setresgid(s->gid, s->gid, s->gid) < 0)
		return err_sys(e, errno, "setresgid %u", s->gid);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_KEEPCAPS");
	if (setresuid(s->uid, s->uid, s->uid) < 0)
		return err_sys(e, errno, "setresuid %u", s->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_KEEPCAPS");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What can be refused by looking at the request alone, before anything is changed. */
#include "agent/process/stage_step.h"

#include <sched.h>

#include "agent/container/namespaces.h"
#include "agent/process/stage.h"

static int check_namespaces(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->req->n_namespaces; i++) {
		const Husk__Stage__StageNamespace *ns = s->req->namespaces[i];
		unsigned flag;

		if (namespace_flag(ns->type, &flag, e) < 0)
			return -1;
		if ((s->new_ns | s->joined_ns) & flag)
			return err_set(e, ERR_INVALID, "namespace '%s' is given twice", ns->type);
		if (flag == CLONE_NEWPID)
			continue;
		if (ns->fd == 0) {
			s->new_ns |= flag;
			continue;
		}
		if (ns->fd < STAGE_FD_FIRST_NS)
			return err_set(e, ERR_INVALID, "namespace '%s' has descriptor %d", ns->type,
				       ns->fd);
		s->joined_ns |= flag;
	}
	return 0;
}

static int check_init(const struct stage *s, struct err *e)
{
	bool maps = s->linux_spec->n_uidmappings > 0 || s->linux_spec->n_gidmappings > 0;
	unsigned has = s->new_ns | s->joined_ns;

	if (s->req->rootfs[0] != '/')
		return err_set(e, ERR_INVALID, "the root file system '%s' is no absolute path",
			       s->req->rootfs);
	if (!(s->new_ns & CLONE_NEWNS))
		return err_set(e, ERR_INVALID, "a container needs a mount namespace of its own");
	if (s->spec->hostname[0] && !(has & CLONE_NEWUTS))
		return err_set(e, ERR_INVALID, "a host name is given without a uts namespace");
	if (maps && !(has & CLONE_NEWUSER))
		return err_set(e, ERR_INVALID, "id mappings are given without a user namespace");
	if ((s->new_ns & CLONE_NEWUSER) && !maps)
		return err_set(e, ERR_INVALID, "a user namespace is asked for without mappings");
	return 0;
}

int stage_check_request(struct stage *s, struct err *e)
{
	if (!s->spec || !s->process)
		return err_set(e, ERR_INVALID, "no spec or no process");
	if (s->process->n_args == 0 || s->process->args[0][0] == '\0')
		return err_set(e, ERR_INVALID, "no program to run: args are empty");
	if (s->process->cwd[0] != '/')
		return err_set(e, ERR_INVALID, "the working directory '%s' is no absolute path",
			       s->process->cwd);
	if (check_namespaces(s, e) < 0)
		return -1;
	if (!s->req->exec)
		return check_init(s, e);
	if (s->new_ns)
		return err_set(e, ERR_INVALID, "exec makes no new namespaces");
	return 0;
}

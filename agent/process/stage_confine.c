/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, capabilities and the system call filter of a container's process. */
#include <sys/prctl.h>

#include "agent/confine/capabilities.h"
#include "agent/confine/rlimits.h"
#include "agent/confine/seccomp.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"

int stage_set_rlimits(struct stage *s, struct err *e)
{
	return rlimits_apply(s->process->rlimits, s->process->n_rlimits, e);
}

/* An exec without capabilities has those of the container; none there either means none. */
int stage_read_capabilities(struct stage *s, struct err *e)
{
	const Grpc__LinuxCapabilities *c = s->process->capabilities;
	auto_strv char **unknown = NULL;
	auto_free char *names = NULL;

	(void)e;
	if (!c && s->spec->process)
		c = s->spec->process->capabilities;
	if (!c)
		return 0;
	s->bounding = capabilities_parse(c->bounding, c->n_bounding, &unknown);
	s->effective = capabilities_parse(c->effective, c->n_effective, &unknown);
	s->inheritable = capabilities_parse(c->inheritable, c->n_inheritable, &unknown);
	s->permitted = capabilities_parse(c->permitted, c->n_permitted, &unknown);
	s->ambient = capabilities_parse(c->ambient, c->n_ambient, &unknown);
	names = strv_join((const char *const *)unknown, ", ");
	if (names[0])
		stage_warn("capabilities that the guest does not know are left out: %s", names);
	/* The kernel has ambient ones only among these; the OCI runtimes leave the others out. */
	s->ambient &= s->permitted & s->inheritable;
	return 0;
}

int stage_build_seccomp(struct stage *s, struct err *e)
{
	const Grpc__LinuxSeccomp *spec = s->linux_spec->seccomp;

	if (!spec || !spec->defaultaction[0])
		return 0;
	s->filter = seccomp_build(spec, e);
	return s->filter ? 0 : -1;
}

int stage_set_no_new_privs(struct stage *s, struct err *e)
{
	if (s->process->nonewprivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_NO_NEW_PRIVS");
	return 0;
}

int stage_drop_bounding(struct stage *s, struct err *e)
{
	return capabilities_bound(s->bounding, e);
}

int stage_load_seccomp_early(struct stage *s, struct err *e)
{
	if (!s->filter || s->process->nonewprivileges)
		return 0;
	if (capabilities_take_up(e) < 0)
		return -1;
	return seccomp_filter_load(s->filter, e);
}

int stage_set_capabilities(struct stage *s, struct err *e)
{
	if (capabilities_set(s->effective, s->permitted, s->inheritable, e) < 0)
		return -1;
	return capabilities_set_ambient(s->ambient, e);
}

int stage_load_seccomp_late(struct stage *s, struct err *e)
{
	if (!s->filter || !s->process->nonewprivileges)
		return 0;
	return seccomp_filter_load(s->filter, e);
}

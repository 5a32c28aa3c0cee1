/* SPDX-License-Identifier: Apache-2.0 */
/* What a spec must keep beyond types and words; see fields.h. */
#include <string.h>

#include "common/oci/fields.h"

static int check_absolute(const char *path, struct err *e)
{
	return path[0] == '/' ? 0 : err_set(e, ERR_INVALID, "not an absolute path");
}

static int check_rlimits(const struct oci_process *p, const char *place, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(p->rlimits[i].type, p->rlimits[j].type) == 0)
				return err_set(e, ERR_INVALID,
					       "%s.rlimits[%zu].type: %s is given twice", place, i,
					       p->rlimits[i].type);
	return 0;
}

int oci_process_check(const struct oci_process *p, const char *place, struct err *e)
{
	if (check_absolute(p->cwd, e) < 0)
		return err_wrap(e, "%s.cwd", place);
	/* proc(5) */
	if (p->oom_score_adj < -1000 || p->oom_score_adj > 1000)
		return err_set(e, ERR_INVALID, "%s.oomScoreAdj: not a number from -1000 to 1000",
			       place);
	return check_rlimits(p, place, e);
}

int oci_resources_check(const struct oci_resources *r, const char *place, struct err *e)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		const char *access = r->devices[i].access;

		if (access && access[strspn(access, "rwm")])
			return err_set(e, ERR_INVALID,
				       "%s.devices[%zu].access: has letters other than r, w and m",
				       place, i);
	}
	if (r->cpu && (r->cpu->idle < 0 || r->cpu->idle > 1))
		return err_set(e, ERR_INVALID, "%s.cpu.idle: neither 0 nor 1", place);
	return 0;
}

static int check_hooks(const char *kind, const struct oci_hook *hooks, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (check_absolute(hooks[i].path, e) < 0)
			return err_wrap(e, "hooks.%s[%zu].path", kind, i);
		if (hooks[i].has_timeout && hooks[i].timeout < 1)
			return err_set(e, ERR_INVALID, "hooks.%s[%zu].timeout: less than a second",
				       kind, i);
	}
	return 0;
}

static int check_all_hooks(const struct oci_hooks *h, struct err *e)
{
	if (check_hooks("prestart", h->prestart, h->n_prestart, e) < 0 ||
	    check_hooks("createRuntime", h->create_runtime, h->n_create_runtime, e) < 0 ||
	    check_hooks("createContainer", h->create_container, h->n_create_container, e) < 0 ||
	    check_hooks("startContainer", h->start_container, h->n_start_container, e) < 0 ||
	    check_hooks("poststart", h->poststart, h->n_poststart, e) < 0)
		return -1;
	return check_hooks("poststop", h->poststop, h->n_poststop, e);
}

static int check_namespaces(const struct oci_linux *l, struct err *e)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];

		for (size_t j = 0; j < i; j++)
			if (strcmp(ns->type, l->namespaces[j].type) == 0)
				return err_set(e, ERR_INVALID,
					       "linux.namespaces[%zu].type: '%s' is given twice", i,
					       ns->type);
		if (ns->path && check_absolute(ns->path, e) < 0)
			return err_wrap(e, "linux.namespaces[%zu].path", i);
	}
	return 0;
}

static int check_devices(const struct oci_linux *l, struct err *e)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct oci_device *d = &l->devices[i];

		if (check_absolute(d->path, e) < 0)
			return err_wrap(e, "linux.devices[%zu].path", i);
		if (d->major < 0 || d->minor < 0)
			return err_set(e, ERR_INVALID,
				       "linux.devices[%zu]: a negative device number", i);
	}
	return 0;
}

/* A system call has six arguments. */
#define SECCOMP_ARGS 6

static int check_seccomp(const struct oci_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->n_syscalls; i++)
		for (size_t j = 0; j < s->syscalls[i].n_args; j++)
			if (s->syscalls[i].args[j].index >= SECCOMP_ARGS)
				return err_set(e, ERR_INVALID,
					       "linux.seccomp.syscalls[%zu].args[%zu].index: "
					       "not a number from 0 to 5",
					       i, j);
	return 0;
}

int oci_spec_check(const struct oci_spec *s, struct err *e)
{
	if (strncmp(s->version, "1.", 2) != 0)
		return err_set(e, ERR_UNSUPPORTED, "ociVersion: '%.64s', husk knows 1.x",
			       s->version);
	if (oci_process_check(s->process, "process", e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_mounts; i++)
		if (check_absolute(s->mounts[i].destination, e) < 0)
			return err_wrap(e, "mounts[%zu].destination", i);
	if (check_all_hooks(&s->hooks, e) < 0 || check_namespaces(&s->linux, e) < 0 ||
	    check_devices(&s->linux, e) < 0)
		return -1;
	if (s->linux.seccomp && check_seccomp(s->linux.seccomp, e) < 0)
		return -1;
	return s->linux.resources ? oci_resources_check(s->linux.resources, "linux.resources", e)
				  : 0;
}

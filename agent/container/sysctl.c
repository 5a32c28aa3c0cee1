/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.Sysctl: which ones a container may set, and writing them. */
#include "agent/container/sysctl.h"

#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define NONE_NEEDED 0u

static const struct {
	const char *key; /* ends in '.': a prefix */
	unsigned needs;  /* a namespace to have */
} allowed[] = {
	/* Containers live in the guest's network namespace, which is the pod's. */
	{ "net.", NONE_NEEDED },
	{ "fs.mqueue.", CLONE_NEWIPC },
	{ "kernel.msgmax", CLONE_NEWIPC },
	{ "kernel.msgmnb", CLONE_NEWIPC },
	{ "kernel.msgmni", CLONE_NEWIPC },
	{ "kernel.sem", CLONE_NEWIPC },
	{ "kernel.shm_rmid_forced", CLONE_NEWIPC },
	{ "kernel.shmall", CLONE_NEWIPC },
	{ "kernel.shmmax", CLONE_NEWIPC },
	{ "kernel.shmmni", CLONE_NEWIPC },
	{ "kernel.domainname", CLONE_NEWUTS },
};

static char *dotted(const char *key)
{
	char *copy = xstrdup(key);

	if (copy[strcspn(copy, "./")] == '/')
		for (char *p = copy; *p; p++)
			*p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	return copy;
}

int sysctl_check(const char *key, unsigned namespaces, struct err *e)
{
	auto_free char *name = dotted(key);

	if (strcmp(name, "kernel.hostname") == 0)
		return err_set(e, ERR_DENIED, "the host name is set by the spec's hostname");
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		size_t len = strlen(allowed[i].key);
		bool prefix = allowed[i].key[len - 1] == '.';

		if (prefix ? strncmp(name, allowed[i].key, len) != 0
			   : strcmp(name, allowed[i].key) != 0)
			continue;
		if ((namespaces & allowed[i].needs) != allowed[i].needs)
			return err_set(e, ERR_DENIED, "the container shares the %s namespace",
				       allowed[i].needs == CLONE_NEWIPC ? "ipc" : "uts");
		return 0;
	}
	return err_set(e, ERR_DENIED, "it belongs to no namespace of the container");
}

char *sysctl_path(const char *key, struct err *e)
{
	auto_free char *name = dotted(key);
	char *path;

	for (char *p = name; *p; p++)
		*p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	path = xasprintf("sys/%s", name);
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))) {
			err_set(e, ERR_INVALID, "it is no name of a sysctl");
			free(path);
			return NULL;
		}
		p += len;
		if (p[0] == '/' && p[1] == '\0') {
			err_set(e, ERR_INVALID, "it is no name of a sysctl");
			free(path);
			return NULL;
		}
		p += p[0] == '/';
	}
	return path;
}

int sysctl_apply(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->linux_spec->n_sysctl; i++) {
		const char *key = s->linux_spec->sysctl[i]->key;
		const char *value = s->linux_spec->sysctl[i]->value;
		auto_free char *path = NULL;

		if (sysctl_check(key, s->new_ns | s->joined_ns, e) < 0)
			return err_wrap(e, "%s", key);
		path = sysctl_path(key, e);
		/* By our own procfs: the image's /proc may be anything. */
		if (!path || file_write(s->procfs, path, value, strlen(value), e) < 0)
			return err_wrap(e, "%s", key);
	}
	return 0;
}

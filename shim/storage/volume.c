/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of an OCI spec and how they get into the guest; see volume.h. */
#include "shim/storage/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define VOLUMES_MAX 1024 /* mounts of one container; Kubernetes pods have some dozens */

/* What the kernels of our guest images mount without a device or a server. */
static const char *const guest_types[] = { "proc",   "sysfs",   "tmpfs",     "devpts",
					   "mqueue", "cgroup",  "cgroup2",   "ramfs",
					   "bpf",    "tracefs", "hugetlbfs", "securityfs" };

bool volume_is_bind(const struct oci_mount *m)
{
	if (m->type && strcmp(m->type, "bind") == 0)
		return true;
	for (size_t i = 0; m->options && m->options[i]; i++)
		if (strcmp(m->options[i], "bind") == 0 || strcmp(m->options[i], "rbind") == 0)
			return true;
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int volume_kind_of(const struct oci_mount *m, mode_t source_mode, enum volume_kind *ret,
		   struct err *e)
{
	const char *type = m->type ? m->type : "none";

	if (strcmp(m->destination, "/dev/shm") == 0) {
		*ret = VOLUME_SHM;
		return 0;
	}
	if (volume_is_bind(m)) {
		bool regular = S_ISREG(source_mode);

		if (is_below(m->source, "/proc") || is_below(m->source, "/sys"))
			*ret = VOLUME_GUEST; /* the host's say nothing about the guest */
		else if (is_below(m->source, "/dev") && !regular)
			*ret = VOLUME_GUEST;
		else
			*ret = regular || S_ISDIR(source_mode) ? VOLUME_SHARED : VOLUME_SKIPPED;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(guest_types); i++) {
		if (strcmp(type, guest_types[i]) != 0)
			continue;
		*ret = VOLUME_GUEST;
		return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "file system type '%.100s' is not there in the guest",
		       type);
}

static int share_one(struct share *s, const char *container, const struct oci_mount *m,
		     bool directory, struct undo *u, char **ret_guest, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	struct mount_bind_params p = { .source = m->source };

	if (mount_options_parse((const char *const *)m->options, &o, e) < 0)
		return -1;
	p.recursive = o.flags & MS_REC;
	p.add_flags = o.flags & MS_RDONLY; /* the rest is the guest's: devices mean nothing here */
	/* Nothing mounted in the guest can reach the host, so "shared" is no more than "slave". */
	if (o.propagation & (MS_SLAVE | MS_SHARED))
		p.propagation = MOUNT_PROPAGATION_SLAVE;
	return share_add_bind(s, container, &p, directory, u, ret_guest, e);
}

static int handle_one(struct share *s, const char *container, const struct oci_mount *m,
		      struct undo *u, struct volume *v, struct err *e)
{
	struct stat st = { .st_mode = 0 };

	if (m->n_uid_mappings || m->n_gid_mappings)
		return err_set(e, ERR_UNSUPPORTED, "id-mapped mounts are not supported");
	if (volume_is_bind(m)) {
		if (!m->source || m->source[0] != '/')
			return err_set(e, ERR_INVALID, "source '%.200s' is no absolute path",
				       m->source ? m->source : "");
		if (strcmp(m->destination, "/dev/shm") != 0 && stat(m->source, &st) < 0)
			return err_sys(e, errno, "'%s'", m->source);
	}
	if (volume_kind_of(m, st.st_mode, &v->kind, e) < 0)
		return -1;
	if (v->kind == VOLUME_SKIPPED)
		log_warn("'%s' for '%s' is a socket or device of the host and is left out",
			 m->source, m->destination);
	if (v->kind != VOLUME_SHARED)
		return 0;
	return share_one(s, container, m, S_ISDIR(st.st_mode), u, &v->guest_path, e);
}

int volumes_share(struct share *s, const char *container, const struct oci_spec *spec,
		  struct undo *u, struct volume **ret, struct err *e)
{
	struct volume *v;

	if (spec->n_mounts > VOLUMES_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu mounts, at most %d", spec->n_mounts,
			       VOLUMES_MAX);
	v = xcalloc(spec->n_mounts, sizeof(v[0]));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (handle_one(s, container, &spec->mounts[i], u, &v[i], e) == 0)
			continue;
		volumes_free(v, spec->n_mounts);
		return err_wrap(e, "mount on '%s'", spec->mounts[i].destination);
	}
	*ret = v;
	return 0;
}

void volumes_free(struct volume *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		free(v[i].guest_path);
	free(v);
}

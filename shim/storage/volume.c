/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of an OCI spec and how they get into the guest; see volume.h. */
#include "shim/storage/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/empty_dir.h"
#include "shim/storage/host_mounts.h"

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

		if (path_below("/proc", m->source) || path_below("/sys", m->source))
			*ret = VOLUME_GUEST; /* the host's say nothing about the guest */
		else if (S_ISBLK(source_mode))
			*ret = VOLUME_DEVICE;
		else if (path_below("/dev", m->source) && !regular)
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
		     struct undo *u, struct volume *v, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	struct mount_bind_params p = { .source = m->source, .of_host = true };
	auto_free char *host = NULL;
	bool some_below;

	if (mount_options_parse((const char *const *)m->options, &o, e) < 0)
		return -1;
	p.recursive = o.flags & MS_REC;
	p.add_flags = o.flags & MS_RDONLY; /* the rest is the guest's: devices mean nothing here */
	p.flags_below = o.read_only_below;
	/* Nothing mounted in the guest can reach the host, so "shared" is no more than "slave". */
	if (o.propagation & (MS_SLAVE | MS_SHARED))
		p.propagation = MOUNT_PROPAGATION_SLAVE;
	if (o.propagation & MS_SHARED)
		log_warn("'%s' is Bidirectional, but mounts made there stay in the guest",
			 m->destination);
	if (share_add_bind(s, container, &p, S_ISDIR(v->st.st_mode), u, &host, &v->guest_path, e) <
	    0)
		return -1;
	if (!p.recursive || !p.add_flags || p.flags_below)
		return 0;
	if (mount_has_below(host, &some_below, e) < 0)
		return -1;
	v->read_only_on_host = some_below || p.propagation == MOUNT_PROPAGATION_SLAVE;
	return 0;
}

static bool is_read_only(const struct oci_mount *m)
{
	for (size_t i = 0; m->options && m->options[i]; i++)
		if (strcmp(m->options[i], "ro") == 0 || strcmp(m->options[i], "rro") == 0)
			return true;
	return false;
}

/* A block device of the host: one without disks has to do without it. */
static int bring_device(const struct volumes_params *p, const struct oci_mount *m, struct volume *v,
			struct err *e)
{
	if (!p->no_disks) {
		if (volume_disk_device(p->disk, m->source, m->destination, is_read_only(m), e) == 0)
			return 0;
		if (e->code != ERR_UNSUPPORTED)
			return -1;
		*e = ERR_INIT;
	}
	v->kind = VOLUME_SKIPPED;
	return 0;
}

/* 1: there is a direct volume, and the guest has it. */
static int bring_direct(const struct volumes_params *p, const struct oci_mount *m, struct volume *v,
			struct err *e)
{
	auto_direct_volume struct direct_volume d = { .device = NULL };
	int r = direct_volume_find(p->disk->direct_volumes, m->source, &d, e);

	if (r <= 0)
		return r;
	if (p->no_disks)
		return err_set(e, ERR_UNSUPPORTED,
			       "a direct volume on '%s', and disable_block_device_use is set",
			       d.device);
	v->kind = VOLUME_MOUNTED;
	return volume_disk_mount(p->disk, m->source, &d, &v->guest_path, e) < 0 ? -1 : 1;
}

/* 1: it is an emptyDir, and the guest makes it. */
static int bring_empty_dir(const struct volumes_params *p, const struct oci_mount *m,
			   struct volume *v, struct err *e)
{
	auto_empty_dir struct empty_dir d = EMPTY_DIR_INIT;

	if (empty_dir_find(p->kubelet_root, m->source, &d, e) < 0)
		return -1;
	if (d.kind == EMPTY_DIR_NONE || (d.kind == EMPTY_DIR_DISK && !p->guest_empty_dir))
		return 0;
	v->kind = VOLUME_MOUNTED;
	return empty_dir_make(&d, p->spec->linux.resources, p->disk->r, &v->guest_path, e) < 0 ? -1
											       : 1;
}

/*
 * 1: the kubelet updates it, and the guest has a copy. Kubernetes mounts these read-only; what a container
 * could write to must get to the host, or be the container's own.
 */
static int bring_projection(const struct volumes_params *p, const struct oci_mount *m,
			    struct volume *v, struct err *e)
{
	int r = 0;

	if (p->projections && is_read_only(m))
		r = projections_bring(p->projections, p->kubelet_root, m->source, p->d,
				      &v->guest_path, e);
	if (r > 0)
		v->kind = VOLUME_MOUNTED;
	return r;
}

struct look {
	const char *path;
	struct stat *st;
	struct err *e;
	int result;
};

static void look_now(void *arg)
{
	struct look *l = arg;
	auto_close int fd = host_mounts_open(l->path, 0, l->e);

	l->result = fd < 0 ? -1 : fstat(fd, l->st);
	if (fd >= 0 && l->result < 0)
		err_sys(l->e, errno, "'%s'", l->path);
}

/* It may be on a server that does not answer, which holds up this container alone. */
static int look_at(const char *path, struct stat *ret, struct err *e)
{
	struct look l = { .path = path, .st = ret, .e = e };

	work_run(look_now, &l);
	return l.result;
}

static int bring_bind(const struct volumes_params *p, const struct oci_mount *m, struct undo *u,
		      struct volume *v, struct err *e)
{
	int made;

	if (!m->source || m->source[0] != '/')
		return err_set(e, ERR_INVALID, "source '%.200s' is no absolute path",
			       m->source ? m->source : "");
	made = bring_direct(p, m, v, e);
	if (made == 0)
		made = bring_empty_dir(p, m, v, e);
	if (made == 0)
		made = bring_projection(p, m, v, e);
	if (made != 0)
		return made < 0 ? -1 : 0;
	if (strcmp(m->destination, "/dev/shm") != 0 && look_at(m->source, &v->st, e) < 0)
		return -1;
	if (volume_kind_of(m, v->st.st_mode, &v->kind, e) < 0)
		return -1;
	if (v->kind == VOLUME_DEVICE && bring_device(p, m, v, e) < 0)
		return -1;
	if (v->kind == VOLUME_SKIPPED)
		log_warn("'%s' for '%s' is a socket or device of the host and is left out",
			 m->source, m->destination);
	if (v->kind != VOLUME_SHARED)
		return 0;
	if (!p->share->mounts)
		return volume_copy(p->copies, p->copy, m->source, is_read_only(m), p->d,
				   &v->guest_path, e);
	return share_one(p->share, p->container, m, u, v, e);
}

static int bring_one(const struct volumes_params *p, const struct oci_mount *m, struct undo *u,
		     struct volume *v, struct err *e)
{
	if (m->n_uid_mappings || m->n_gid_mappings)
		return err_set(e, ERR_UNSUPPORTED, "id-mapped mounts are not supported");
	return volume_is_bind(m) ? bring_bind(p, m, u, v, e) : volume_kind_of(m, 0, &v->kind, e);
}

/* What the spec lists and no disk can be made of is left out of it. */
static int bring_devices(const struct volumes_params *p, struct err *e)
{
	if (p->no_disks || volume_disk_spec_devices(p->disk, p->spec, e) == 0)
		return 0;
	if (e->code != ERR_UNSUPPORTED)
		return -1;
	log_info("%s", e->text);
	*e = ERR_INIT;
	return 0;
}

int volumes_bring(const struct volumes_params *p, struct undo *u, struct volume **ret,
		  struct err *e)
{
	const struct oci_spec *spec = p->spec;
	struct volume *v;

	if (spec->n_mounts > VOLUMES_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu mounts, at most %d", spec->n_mounts,
			       VOLUMES_MAX);
	v = xcalloc(spec->n_mounts + 1, sizeof(v[0]));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (bring_one(p, &spec->mounts[i], u, &v[i], e) == 0)
			continue;
		volumes_free(v, spec->n_mounts);
		return err_wrap(e, "mount on '%s'", spec->mounts[i].destination);
	}
	if (bring_devices(p, e) < 0) {
		volumes_free(v, spec->n_mounts);
		return -1;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spec.Mounts: made detached before the user namespace is entered, where the file system belongs to
 * a namespace of the guest or the source is the guest's; attached in spec order beneath the root.
 */
#include "agent/container/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/cgroup/root.h"
#include "agent/container/cgroup_v1_mount.h"
#include "agent/container/copy_up.h"
#include "agent/container/detached.h"
#include "agent/container/namespaces.h"
#include "agent/container/pod_volume.h"
#include "agent/mount/host_path.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define MOUNTS_MAX 4096

bool mounts_same_path(const char *a, const char *b)
{
	for (;;) {
		size_t len;

		a += strspn(a, "/");
		b += strspn(b, "/");
		len = strcspn(a, "/");
		if (len != strcspn(b, "/") || strncmp(a, b, len) != 0)
			return false;
		if (len == 0)
			return true;
		a += len;
		b += len;
	}
}

bool mounts_bind_allowed(const char *destination, bool *ret_needs_procfs)
{
	static const char *const replaceable[] = {
		"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo",
		"/proc/net/dev", "/proc/stat",      "/proc/swaps",   "/proc/uptime",
	};
	const char *first = destination + strspn(destination, "/");

	*ret_needs_procfs = mounts_same_path(destination, "/proc");
	if (*ret_needs_procfs)
		return true;
	if (strncmp(first, "proc/", 5) != 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(replaceable); i++)
		if (mounts_same_path(destination, replaceable[i]))
			return true;
	return false;
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

static int check_destination(const Grpc__Mount *m, struct err *e)
{
	const char *d = m->destination;

	if (d[0] != '/' || strlen(d) >= PATH_MAX)
		return err_set(e, ERR_INVALID, "the destination is no absolute path");
	if (has_dotdot(d))
		return err_set(e, ERR_INVALID, "the destination contains '..'");
	if (mounts_same_path(d, "/"))
		return err_set(e, ERR_INVALID, "the destination is the root itself");
	return 0;
}

static bool is_cgroup(const char *type)
{
	return strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0;
}

/* Does an instance of this file system belong to a namespace that the guest has made? */
static bool of_guest_namespace(const struct stage *s, const char *type)
{
	if (strcmp(type, "proc") == 0)
		return true; /* the pid namespace was made by clone() */
	if (strcmp(type, "sysfs") == 0)
		return !(s->new_ns & CLONE_NEWNET);
	if (strcmp(type, "mqueue") == 0)
		return !(s->new_ns & CLONE_NEWIPC);
	return false;
}

static int map_owners(const struct stage *s, const struct detached_mount *d, struct err *e)
{
	auto_close int user = namespaces_open_user(s, e);

	return user < 0 ? -1 : detached_set_idmap(d->fd, d->attrs.idmap_below, user, e);
}

/* O_PATH, where what a path leads through may be filled with links. */
static int open_source(const struct stage *s, const char *path, struct err *e)
{
	const char *run_dir = s->req->run_dir;
	auto_free char *pod_volumes = run_dir[0] ? path_join(run_dir, "sandbox") : xstrdup("");
	size_t volume_len;

	if (pod_volume_is_part(pod_volumes, path, &volume_len))
		return pod_volume_open_part(path, volume_len, e);
	return host_path_open(run_dir, path, 0, e);
}

static int clone_source(const struct stage *s, const Grpc__Mount *m, struct detached_mount *d,
			struct err *e)
{
	static const struct mount_attrs slave = { .propagation = MS_SLAVE,
						  .propagation_below = true };
	auto_close int source = -1;
	bool needs_procfs;
	struct statfs fs;

	if (!mounts_bind_allowed(m->destination, &needs_procfs))
		return err_set(e, ERR_DENIED, "nothing may be mounted there");
	source = open_source(s, m->source, e);
	if (source < 0)
		return -1;
	d->fd = detached_clone(source, "", d->attrs.bind_below, e);
	if (d->fd < 0)
		return err_wrap(e, "'%s'", m->source);
	if (needs_procfs && (fstatfs(d->fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC))
		return err_set(e, ERR_DENIED, "only a procfs may be mounted there");
	if (d->attrs.idmap && map_owners(s, d, e) < 0)
		return -1;
	/* As after a recursive MS_SLAVE of "/": nothing gets out unless "shared" is asked for. */
	if (d->attrs.propagation != MS_SHARED && detached_set_attrs(d->fd, &slave, e) < 0)
		return -1;
	return detached_set_attrs(d->fd, &d->attrs, e);
}

static int prepare(struct stage *s, const Grpc__Mount *m, struct detached_mount *d, struct err *e)
{
	d->fd = -1;
	if (check_destination(m, e) < 0 ||
	    mount_attrs_parse(m->options, m->n_options, &d->attrs, e) < 0)
		return -1;
	d->bind = d->attrs.bind || strcmp(m->type, "bind") == 0;
	if (d->bind) {
		d->attrs.bind_below |= !d->attrs.bind;
		return clone_source(s, m, d, e);
	}
	if (d->attrs.idmap)
		return err_set(e, ERR_UNSUPPORTED, "owners of a new file system cannot be mapped");
	if (m->type[0] == '\0' || strcmp(m->type, "none") == 0)
		return err_set(e, ERR_INVALID, "neither a type nor a bind");
	if (mounts_same_path(m->destination, "/dev")) {
		d->readonly_later = ((d->attrs.set | d->attrs.below_set) & MOUNT_ATTR_RDONLY) != 0;
		d->attrs.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		d->attrs.below_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	if (!of_guest_namespace(s, m->type))
		return 0;
	d->fd = detached_new(m->type, m->source, &d->attrs, e);
	return d->fd < 0 ? -1 : 0;
}

int mounts_prepare(struct stage *s, struct err *e)
{
	static const struct mount_attrs plain = { .set = 0 };

	if (s->spec->n_mounts > MOUNTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu mounts, at most %d are possible",
			       s->spec->n_mounts, MOUNTS_MAX);
	s->procfs = detached_new("proc", "proc", &plain, e);
	if (s->procfs < 0)
		return -1;
	s->mounts = xcalloc(s->spec->n_mounts + 1, sizeof(*s->mounts));
	for (size_t i = 0; i < s->spec->n_mounts; i++)
		if (prepare(s, s->spec->mounts[i], &s->mounts[i], e) < 0)
			return err_wrap(e, "%s", s->spec->mounts[i]->destination);
	return 0;
}

/* An image must not choose with a symlink where proc and sysfs go: what is masked in them would
 * then be masked elsewhere. */
static int open_plain_directory(const struct stage *s, const char *path, struct err *e)
{
	struct err why = ERR_INIT;
	auto_close int fd = path_open_in_root(s->rootfd, path, O_PATH | O_NOFOLLOW, 0, &why);
	struct stat st;

	if (fd < 0 && why.sys == ENOENT)
		return path_mkdirs_in_root(s->rootfd, path, 0755, e);
	if (fd < 0) {
		*e = why;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat");
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "the destination must be an ordinary directory");
	return take_fd(&fd);
}

static int open_destination(const struct stage *s, const Grpc__Mount *m,
			    const struct detached_mount *d, struct err *e)
{
	struct stat source, root, there;
	bool directory = true;
	auto_close int fd = -1;

	if (strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0) {
		fd = open_plain_directory(s, m->destination, e);
	} else {
		if (d->bind) {
			if (fstat(d->fd, &source) < 0)
				return err_sys(e, errno, "stat the source");
			directory = S_ISDIR(source.st_mode);
		}
		fd = directory ? path_mkdirs_in_root(s->rootfd, m->destination, 0755, e)
			       : path_mkfile_in_root(s->rootfd, m->destination, 0644, e);
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &there) < 0 || fstat(s->rootfd, &root) < 0)
		return err_sys(e, errno, "stat");
	if (there.st_dev == root.st_dev && there.st_ino == root.st_ino)
		return err_set(e, ERR_DENIED, "a link leads to the root itself");
	return take_fd(&fd);
}

/* Without a cgroup namespace the container's own directory is all that it may see. */
static int clone_cgroup(const struct stage *s, const struct detached_mount *d, struct err *e)
{
	auto_free char *root = NULL;
	auto_free char *path = NULL;
	auto_close int fd = -1;

	if (cgroup_root_find(&root, e) < 0)
		return -1;
	path = path_join(root, s->req->cgroup);
	fd = detached_clone(AT_FDCWD, path, false, e);
	if (fd < 0 || detached_set(fd, false, d->attrs.set, d->attrs.clear, MS_PRIVATE, e) < 0)
		return -1;
	return take_fd(&fd);
}

static int new_cgroup(const struct stage *s, const Grpc__Mount *m, const struct detached_mount *d,
		      struct err *e)
{
	struct mount_attrs attrs = d->attrs;
	struct err why = ERR_INIT;
	int fd;

	if (!((s->new_ns | s->joined_ns) & CLONE_NEWCGROUP))
		return clone_cgroup(s, d, e);
	attrs.fs = NULL; /* those of the hierarchy are the guest's to choose */
	fd = detached_new("cgroup2", m->source, &attrs, &why);
	if (fd >= 0)
		return fd;
	fd = clone_cgroup(s, d, e);
	return fd < 0 ? err_wrap(e, "%s, and", why.text) : fd;
}

/* A gid that the user namespace does not map is refused by devpts; "gid=5" is only a default. */
static bool gid_is_mapped(const struct stage *s, const char *option)
{
	uint32_t gid;

	if (strncmp(option, "gid=", 4) != 0 || !(s->new_ns & CLONE_NEWUSER))
		return true;
	if (!num_u32(option + 4, 10, &gid))
		return true;
	for (size_t i = 0; i < s->linux_spec->n_gidmappings; i++) {
		const Grpc__LinuxIDMapping *map = s->linux_spec->gidmappings[i];

		if (gid >= map->containerid && gid - map->containerid < map->size)
			return true;
	}
	return false;
}

/* The others are there once for each namespace, already labelled: a second label is refused. */
static bool has_own_superblock(const char *type)
{
	return strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0 &&
	       strcmp(type, "mqueue") != 0;
}

static int new_file_system(const struct stage *s, const Grpc__Mount *m, struct detached_mount *d,
			   struct err *e)
{
	auto_mount_attrs struct mount_attrs attrs = d->attrs;
	auto_free char *context = NULL;

	attrs.fs = NULL;
	d->cgroup_v1 = is_cgroup(m->type) && cgroup_v1_wanted();
	if (d->cgroup_v1)
		return cgroup_v1_new(e);
	if (is_cgroup(m->type))
		return new_cgroup(s, m, d, e);
	for (size_t i = 0; d->attrs.fs && d->attrs.fs[i]; i++)
		if (strcmp(m->type, "devpts") != 0 || gid_is_mapped(s, d->attrs.fs[i]))
			strv_add(&attrs.fs, d->attrs.fs[i]);
	context = has_own_superblock(m->type) ? stage_mount_context(s) : NULL;
	if (context)
		strv_add(&attrs.fs, context);
	if (d->attrs.copy_up) { /* filled first, so read-only only afterwards */
		attrs.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		attrs.below_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	return detached_new(m->type, m->source, &attrs, e);
}

static int attach(struct stage *s, const Grpc__Mount *m, struct detached_mount *d, struct err *e)
{
	auto_close int onto = -1;

	if (d->fd < 0)
		d->fd = new_file_system(s, m, d, e);
	if (d->fd < 0)
		return -1;
	onto = open_destination(s, m, d, e);
	if (onto < 0)
		return -1;
	if (d->attrs.copy_up) {
		if (copy_up(onto, d->fd, e) < 0)
			return err_wrap(e, "tmpcopyup");
		if (detached_set(d->fd, false,
				 (d->attrs.set | d->attrs.below_set) & MOUNT_ATTR_RDONLY, 0, 0,
				 e) < 0)
			return -1;
	}
	if (!d->bind &&
	    detached_set(d->fd, false, 0, 0,
			 d->attrs.propagation ? d->attrs.propagation : MS_PRIVATE, e) < 0)
		return -1;
	if (detached_attach(d->fd, onto, e) < 0)
		return -1;
	return d->cgroup_v1 ? cgroup_v1_fill(d->fd, s->req->cgroup, &d->attrs, e) : 0;
}

int mounts_attach(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->n_mounts; i++)
		if (attach(s, s->spec->mounts[i], &s->mounts[i], e) < 0)
			return err_wrap(e, "%s", s->spec->mounts[i]->destination);
	return 0;
}

int mounts_finish(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->n_mounts; i++)
		if (s->mounts[i].readonly_later &&
		    detached_set(s->mounts[i].fd, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0)
			return err_wrap(e, "%s", s->spec->mounts[i]->destination);
	return 0;
}

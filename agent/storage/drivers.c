/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage drivers that need no device: shares, tmpfs, binds, directories. What each takes is in
 * agent-protocol 4.1.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mount/mount.h"
#include "agent/storage/block.h"
#include "agent/storage/hugepages.h"
#include "agent/storage/overlay.h"
#include "agent/storage/storage.h"
#include "agent/storage/watched.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define OPTION_FSGID   "fsgid="
#define OPTION_REMOUNT "remount"
#define OPTION_MODE    "mode="

/* What follows `prefix` in the first option that starts with it; NULL: none does. Borrowed. */
static const char *option_value(char *const *option, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(option[i], prefix, strlen(prefix)) == 0)
			return option[i] + strlen(prefix);
	return NULL;
}

static int mount_words(const Grpc__Storage *s, const char *fstype, const struct mount_point *at,
		       char *const *option, size_t n, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_close int fd = -1;

	if (mount_options_parse(option, n, &o, e) < 0)
		return -1;
	fd = mount_point_make(at, true, e);
	return fd < 0 ? -1 : mount_at(s->source, at, fstype, &o, e);
}

/* The group of a volume, given by its descriptor: its owner, inherited by what is made in it. */
static int group_set(int fd, const char *gid_text, struct err *e)
{
	char path[FD_PATH_MAX];
	struct stat st;
	uint32_t gid;

	if (!num_u32(gid_text, 10, &gid))
		return err_set(e, ERR_INVALID, "'%s' is not a group id", gid_text);
	if (fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "give it to group %u", gid);
	if (fstat(fd, &st) < 0 || chmod(fd_path(fd, path), (st.st_mode & 07777) | S_ISGID) < 0)
		return err_sys(e, errno, "set its group id bit");
	return 0;
}

static int group_set_at(const struct mount_point *at, const char *gid_text, struct err *e)
{
	auto_close int fd = mount_point_open(at, e);

	return fd < 0 ? -1 : group_set(fd, gid_text, e);
}

/* The pod's share is named by every host again for each container: mounted already is success. */
static int virtio_fs_mount(const Grpc__Storage *s, const struct mount_point *at,
			   const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char *fstype = NULL;
	bool mounted;

	(void)user;
	(void)teardown;
	if (mount_find(at->path, &mounted, &fstype, e) < 0)
		return -1;
	if (mounted && strcmp(fstype, "virtiofs") == 0)
		return 0;
	return mount_words(s, "virtiofs", at, s->options, s->n_options, e);
}

static int ephemeral_mount(const Grpc__Storage *s, const struct mount_point *at,
			   const struct storage_user *user, struct undo *teardown, struct err *e)
{
	const char *gid = option_value(s->options, s->n_options, OPTION_FSGID);
	auto_free char **words = xcalloc(s->n_options + 1, sizeof(char *));
	size_t n = 0;

	(void)user;
	if (strcmp(s->fstype, "hugetlbfs") == 0) {
		/* An update has its pages already. */
		if (teardown &&
		    hugepages_reserve("/sys", s->options, s->n_options, teardown, e) < 0)
			return -1;
		return mount_words(s, "hugetlbfs", at, s->options, s->n_options, e);
	}
	if (strcmp(s->fstype, "tmpfs") != 0)
		return err_set(e, ERR_UNSUPPORTED, "file system '%s' is not supported here",
			       s->fstype);
	for (size_t i = 0; i < s->n_options; i++)
		if (strncmp(s->options[i], OPTION_FSGID, strlen(OPTION_FSGID)) != 0)
			words[n++] = s->options[i];
	if (mount_words(s, "tmpfs", at, words, n, e) < 0)
		return -1;
	if (gid && group_set_at(at, gid, e) < 0) {
		struct err late = ERR_INIT;

		/* One that was there before is in use. */
		if (!option_value(s->options, s->n_options, OPTION_REMOUNT) &&
		    mount_remove(at, &late) < 0)
			err_append(e, "%s", late.text);
		return -1;
	}
	return 0;
}

int storage_update_ephemeral(const char *run_dir, const Grpc__Storage *s, struct err *e)
{
	const struct mount_point at = { .run_dir = run_dir, .path = s->mount_point };

	if (strcmp(s->driver, "ephemeral") != 0)
		return err_set(e, ERR_INVALID, "driver '%s' cannot be updated", s->driver);
	if (!path_is_clean(s->mount_point))
		return err_set(e, ERR_INVALID, "the mount point is no absolute path");
	if (s->n_options > STORAGE_OPTIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u options", STORAGE_OPTIONS_MAX);
	return ephemeral_mount(s, &at, NULL, NULL, e);
}

/* A bind is a directory or a file, as its source is. */
static int bind_mount(const Grpc__Storage *s, const struct mount_point *at,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_close int source = -1;
	auto_close int onto = -1;
	char path[FD_PATH_MAX];
	struct stat st;

	(void)teardown;
	if (mount_options_parse(s->options, s->n_options, &o, e) < 0)
		return -1;
	o.flags |= MS_BIND;
	source = host_path_open(user->run_dir, s->source, 0, e);
	if (source < 0)
		return -1;
	if (fstat(source, &st) < 0)
		return err_sys(e, errno, "stat '%s'", s->source);
	onto = mount_point_make(at, S_ISDIR(st.st_mode), e);
	if (onto < 0)
		return -1;
	if (mount_at(fd_path(source, path), at, "bind", &o, e) < 0)
		return err_wrap(e, "'%s'", s->source);
	return 0;
}

/* A directory on the guest's own disk. */
static int local_make(const Grpc__Storage *s, const struct mount_point *at,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	const char *gid = option_value(s->options, s->n_options, OPTION_FSGID);
	const char *mode_text = option_value(s->options, s->n_options, OPTION_MODE);
	auto_close int fd = -1;
	char path[FD_PATH_MAX];
	uint32_t mode = 0;

	(void)user;
	(void)teardown;
	if (mode_text && (!num_u32(mode_text, 8, &mode) || mode > 07777))
		return err_set(e, ERR_INVALID, "'%s' is not a file mode", mode_text);
	fd = mount_point_make(at, true, e);
	if (fd < 0)
		return -1;
	if (mode_text && chmod(fd_path(fd, path), mode) < 0)
		return err_sys(e, errno, "set its mode");
	return gid ? group_set(fd, gid, e) : 0;
}

static const struct storage_driver virtio_fs = { .name = "virtio-fs", .mount = virtio_fs_mount };
static const struct storage_driver bind = { .name = "bind", .mount = bind_mount };
static const struct storage_driver ephemeral = {
	.name = "ephemeral",
	.keep = true,
	.mount = ephemeral_mount,
};
static const struct storage_driver local = { .name = "local", .keep = true, .mount = local_make };

const struct storage_driver *const storage_drivers[] = {
	&bind,         &ephemeral,  &local,          &storage_overlayfs,
	&virtio_fs,    &block_blk,  &block_blk_ccw,  &block_mmioblk,
	&block_nvdimm, &block_scsi, &watchable_bind,
};
const size_t storage_n_drivers = ARRAY_LEN(storage_drivers);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage drivers that need no device: shares, tmpfs, binds, overlays, directories. What each
 * takes is in agent-protocol 4.1.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/modules.h"
#include "agent/mount/mount.h"
#include "agent/storage/block.h"
#include "agent/storage/hugepages.h"
#include "agent/storage/storage.h"
#include "agent/storage/watched.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define OPTION_FSGID   "fsgid="
#define OPTION_REMOUNT "remount"
#define OPTION_MODE    "mode="
#define OVERLAY_RW     "io.katacontainers.fs-opt.overlay-rw"
#define OVERLAY_CREATE "io.katacontainers.volume.overlayfs.create_directory="

/* What follows `prefix` in the first option that starts with it; NULL: none does. Borrowed. */
static const char *option_value(char *const *option, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(option[i], prefix, strlen(prefix)) == 0)
			return option[i] + strlen(prefix);
	return NULL;
}

static int mount_words(const Grpc__Storage *s, const char *fstype, const char *mount_point,
		       char *const *option, size_t n, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;

	if (mount_options_parse(option, n, &o, e) < 0)
		return -1;
	if (mount_point_make(s->source, mount_point, o.flags & MS_BIND, e) < 0)
		return -1;
	return mount_at(s->source, mount_point, fstype, &o, e);
}

/* The group of a volume: its owner, inherited by what is made in it. */
static int group_set(const char *path, const char *gid_text, struct err *e)
{
	struct stat st;
	uint32_t gid;

	if (!num_u32(gid_text, 10, &gid))
		return err_set(e, ERR_INVALID, "'%s' is not a group id", gid_text);
	if (chown(path, (uid_t)-1, gid) < 0)
		return err_sys(e, errno, "give '%s' to group %u", path, gid);
	if (stat(path, &st) < 0 || chmod(path, (st.st_mode & 07777) | S_ISGID) < 0)
		return err_sys(e, errno, "set the group id bit of '%s'", path);
	return 0;
}

/* The pod's share is named by every host again for each container: mounted already is success. */
static int virtio_fs_mount(const Grpc__Storage *s, const char *mount_point,
			   const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char *fstype = NULL;
	bool mounted;

	(void)user;
	(void)teardown;
	if (mount_find(mount_point, &mounted, &fstype, e) < 0)
		return -1;
	if (mounted && strcmp(fstype, "virtiofs") == 0)
		return 0;
	return mount_words(s, "virtiofs", mount_point, s->options, s->n_options, e);
}

static int ephemeral_mount(const Grpc__Storage *s, const char *mount_point,
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
		return mount_words(s, "hugetlbfs", mount_point, s->options, s->n_options, e);
	}
	if (strcmp(s->fstype, "tmpfs") != 0)
		return err_set(e, ERR_UNSUPPORTED, "file system '%s' is not supported here",
			       s->fstype);
	for (size_t i = 0; i < s->n_options; i++)
		if (strncmp(s->options[i], OPTION_FSGID, strlen(OPTION_FSGID)) != 0)
			words[n++] = s->options[i];
	if (mount_words(s, "tmpfs", mount_point, words, n, e) < 0)
		return -1;
	if (gid && group_set(mount_point, gid, e) < 0) {
		struct err late = ERR_INIT;

		/* One that was there before is in use. */
		if (!option_value(s->options, s->n_options, OPTION_REMOUNT) &&
		    mount_remove(mount_point, &late) < 0)
			err_append(e, "%s", late.text);
		return -1;
	}
	return 0;
}

int storage_update_ephemeral(const Grpc__Storage *s, struct err *e)
{
	if (strcmp(s->driver, "ephemeral") != 0)
		return err_set(e, ERR_INVALID, "driver '%s' cannot be updated", s->driver);
	if (!path_is_clean(s->mount_point))
		return err_set(e, ERR_INVALID, "the mount point is no absolute path");
	if (s->n_options > STORAGE_OPTIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u options", STORAGE_OPTIONS_MAX);
	return ephemeral_mount(s, s->mount_point, NULL, NULL, e);
}

static int bind_mount(const Grpc__Storage *s, const char *mount_point,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char **words = xcalloc(s->n_options + 1, sizeof(char *));

	(void)user;
	(void)teardown;
	words[0] = (char *)(uintptr_t) "bind";
	for (size_t i = 0; i < s->n_options; i++)
		words[i + 1] = s->options[i];
	return mount_words(s, "bind", mount_point, words, s->n_options + 1, e);
}

/* A directory on the guest's own disk. */
static int local_make(const Grpc__Storage *s, const char *mount_point,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	const char *gid = option_value(s->options, s->n_options, OPTION_FSGID);
	const char *mode_text = option_value(s->options, s->n_options, OPTION_MODE);
	uint32_t mode = 0;

	(void)user;
	(void)teardown;
	if (mode_text && (!num_u32(mode_text, 8, &mode) || mode > 07777))
		return err_set(e, ERR_INVALID, "'%s' is not a file mode", mode_text);
	if (path_mkdirs(mount_point, 0755, e) < 0)
		return -1;
	if (mode_text && chmod(mount_point, mode) < 0)
		return err_sys(e, errno, "set the mode of '%s'", mount_point);
	return gid ? group_set(mount_point, gid, e) : 0;
}

static int overlay_directory(const struct storage_user *user, const char *name, char **ret,
			     struct err *e)
{
	auto_free char *path = xasprintf("%s/%s/%s", user->run_dir, user->container_id, name);

	if (path_mkdirs(path, 0755, e) < 0)
		return -1;
	*ret = xasprintf("%sdir=%s", name, path);
	return 0;
}

static int overlay_mount(const Grpc__Storage *s, const char *mount_point,
			 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char **words = xcalloc(s->n_options + 3, sizeof(char *));
	auto_free char *upper = NULL;
	auto_free char *work = NULL;
	size_t n = 0;

	(void)teardown;
	if (modules_demand("overlay", e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_driver_options; i++) {
		const char *dir = option_value(&s->driver_options[i], 1, OVERLAY_CREATE);

		if (dir && path_mkdirs(dir, 0755, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < s->n_options; i++) {
		if (strcmp(s->options[i], OVERLAY_RW) != 0) {
			words[n++] = s->options[i];
			continue;
		}
		if (upper || !user->container_id)
			return err_set(e, ERR_INVALID, "option '%s' is not possible here",
				       OVERLAY_RW);
		if (overlay_directory(user, "upper", &upper, e) < 0 ||
		    overlay_directory(user, "work", &work, e) < 0)
			return -1;
		words[n++] = upper;
		words[n++] = work;
	}
	return mount_words(s, "overlay", mount_point, words, n, e);
}

static const struct storage_driver virtio_fs = { .name = "virtio-fs", .mount = virtio_fs_mount };
static const struct storage_driver bind = { .name = "bind", .mount = bind_mount };
static const struct storage_driver overlayfs = { .name = "overlayfs", .mount = overlay_mount };
static const struct storage_driver ephemeral = {
	.name = "ephemeral",
	.keep = true,
	.mount = ephemeral_mount,
};
static const struct storage_driver local = { .name = "local", .keep = true, .mount = local_make };

const struct storage_driver *const storage_drivers[] = {
	&bind,          &ephemeral,     &local,        &overlayfs,  &virtio_fs,      &block_blk,
	&block_blk_ccw, &block_mmioblk, &block_nvdimm, &block_scsi, &watchable_bind,
};
const size_t storage_n_drivers = ARRAY_LEN(storage_drivers);

/* SPDX-License-Identifier: Apache-2.0 */
/* Root file systems from containerd's mounts; see rootfs.h and containerd-shim 5.7. */
#include "shim/storage/rootfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/mount.h"

/* Types that name something to be put together, not something that mount(2) knows. */
static int check_type(const char *type, struct err *e)
{
	static const char *const prefixes[] = { "format/", "mkfs/", "mkdir/", "fuse" };

	if (!*type)
		return err_set(e, ERR_INVALID, "a mount without a type");
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(type, prefixes[i], strlen(prefixes[i])) == 0)
			return err_set(e, ERR_UNSUPPORTED, "mount type '%.100s' is not supported",
				       type);
	return 0;
}

static int bind_one(const char *source, const char *target, const struct mount_options *o,
		    struct undo *u, struct err *e)
{
	struct mount_bind_params p = {
		.source = source,
		.target = target,
		.recursive = o->flags & MS_REC,
		.of_host = true,
		.flags_below = true,
		.add_flags = o->flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC),
	};

	return mount_bind(&p, u, e);
}

/*
 * A mount's own target is a path in the root file system that the mounts before it made, and so
 * image content: it is resolved by the kernel, which answers with the path without symlinks.
 */
static int target_in_root(const char *root, const char *inside, char **ret, struct err *e)
{
	auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;
	char link[FD_PATH_MAX];
	char path[4096];
	ssize_t n;

	if (root_fd < 0)
		return err_sys(e, errno, "open '%s'", root);
	fd = path_open_in_root(root_fd, inside, O_PATH | O_DIRECTORY, 0, e);
	if (fd < 0)
		return -1;
	n = readlink(fd_path(fd, link), path, sizeof(path) - 1);
	if (n < 0)
		return err_sys(e, errno, "resolve '%s'", inside);
	path[n] = '\0';
	*ret = xstrdup(path);
	return 0;
}

/*
 * What could have been disks of the guest and is not: containerd 2.1 mounts EROFS layers itself, later
 * ones when they were not told otherwise.
 */
static bool has_layers_of_host(const struct rootfs_mount *m)
{
	static const char *const places[] = { "/io.containerd.mount-manager.",
					      "/io.containerd.snapshotter.v1.erofs/" };

	for (size_t i = 0; m->options && m->options[i]; i++)
		for (size_t k = 0; k < ARRAY_LEN(places); k++)
			if (strncmp(m->options[i], "lowerdir=", strlen("lowerdir=")) == 0 &&
			    strstr(m->options[i], places[k]))
				return true;
	return false;
}

static int mount_one(const struct rootfs_mount *m, const char *root, struct undo *u, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_free char *target = NULL;

	if (check_type(m->type, e) < 0 ||
	    mount_options_parse((const char *const *)m->options, &o, e) < 0)
		return -1;
	if (!m->target || !*m->target || strcmp(m->target, "/") == 0)
		target = xstrdup(root);
	else if (target_in_root(root, m->target, &target, e) < 0)
		return -1;

	if (strcmp(m->type, "bind") == 0 || (o.flags & MS_BIND))
		return bind_one(m->source, target, &o, u, e);
	if (has_layers_of_host(m))
		log_info("root file system of layers that containerd mounted is shared: the guest "
			 "verifies nothing");
	if (*m->source == '/')
		log_info("root file system '%s' of type %s is mounted on the host and shared",
			 m->source, m->type);
	return mount_filesystem(m->type, m->source, target, &o, u, e);
}

int rootfs_mount(const struct rootfs_mount *mounts, size_t n, const char *root_path,
		 const char *target, struct undo *u, struct err *e)
{
	if (n == 0) {
		struct mount_bind_params p = {
			.source = root_path, .target = target, .recursive = true, .of_host = true
		};

		if (mount_bind(&p, u, e) < 0)
			return err_wrap(e, "mount root file system");
	}
	for (size_t i = 0; i < n; i++)
		if (mount_one(&mounts[i], target, u, e) < 0)
			return err_wrap(e, "mount root file system");
	return 0;
}

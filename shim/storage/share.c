/* SPDX-License-Identifier: Apache-2.0 */
/* The directory shared with the guest; see share.h. */
#include "shim/storage/share.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define BASE_MAX 64 /* bytes of a source's base name kept in its name in the share */

static int make_directory(const char *path, struct undo *u, struct err *e)
{
	if (mkdir(path, 0755) < 0)
		return err_sys(e, errno, "create '%s'", path);
	undo_push_rmdir(u, path);
	return 0;
}

int share_start(struct share *s, const char *dir, struct undo *u, struct err *e)
{
	auto_free char *mounts = path_join(dir, "mounts");
	auto_free char *exported = path_join(dir, "shared");
	struct mount_bind_params export = {
		.source = mounts,
		.target = exported,
		.add_flags = MS_RDONLY | MS_NOSUID | MS_NODEV,
		.propagation = MOUNT_PROPAGATION_SLAVE,
	};

	if (make_directory(mounts, u, e) < 0 || make_directory(exported, u, e) < 0 ||
	    mount_make_shared_root(mounts, u, e) < 0 || mount_bind(&export, u, e) < 0)
		return err_wrap(e, "prepare the shared directory");
	*s = (struct share){ .mounts = take_ptr(mounts), .exported = take_ptr(exported) };
	return 0;
}

void share_done(struct share *s)
{
	free(s->mounts);
	free(s->exported);
	*s = SHARE_INIT;
}

int share_add_rootfs(struct share *s, const char *container, struct undo *u, char **ret_host,
		     char **ret_guest, struct err *e)
{
	auto_free char *dir = path_join(s->mounts, container);
	auto_free char *host = path_join(dir, "rootfs");

	if (make_directory(dir, u, e) < 0 || make_directory(host, u, e) < 0)
		return -1;
	*ret_guest = xasprintf("%s%s/rootfs", SHARE_GUEST_DIR, container);
	*ret_host = take_ptr(host);
	return 0;
}

/* What is left of a base name that may hold anything: it goes into protobuf strings and logs. */
static char *plain_base(const char *path)
{
	auto_free char *copy = xstrdup(path);
	size_t len = strlen(copy);
	char *base;

	while (len > 0 && copy[len - 1] == '/')
		copy[--len] = '\0';
	base = xstrndup(path_base(copy), BASE_MAX);
	for (char *c = base; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			*c = '_';
	return base;
}

static int make_mount_point(const char *path, bool directory, struct undo *u, struct err *e)
{
	auto_close int fd = -1;

	if (directory)
		return make_directory(path, u, e);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, errno, "create '%s'", path);
	undo_push_unlink(u, path);
	return 0;
}

int share_add_bind(struct share *s, const char *container, const struct mount_bind_params *p,
		   bool directory, struct undo *u, char **ret_host, char **ret_guest, struct err *e)
{
	auto_free char *base = plain_base(p->source);
	auto_free char *name = xasprintf("%s-%" PRIx64 "-%s", container, s->next++, base);
	auto_free char *host = path_join(s->mounts, name);
	struct mount_bind_params bind = *p;

	bind.target = host;
	if (make_mount_point(host, directory, u, e) < 0 || mount_bind(&bind, u, e) < 0)
		return -1;
	*ret_guest = xasprintf("%s%s", SHARE_GUEST_DIR, name);
	*ret_host = take_ptr(host);
	return 0;
}

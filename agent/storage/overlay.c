/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage driver `overlayfs`: layers that the host names by path, in the share or where other storages
 * have mounted them. The kernel gets them by descriptor: what a link in a layer's path leads to is ours to decide.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/modules.h"
#include "agent/mount/mount.h"
#include "agent/storage/overlay.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define OVERLAY_RW     "io.katacontainers.fs-opt.overlay-rw"
#define OVERLAY_CREATE "io.katacontainers.volume.overlayfs.create_directory="

/* Descriptors that are open until the mount is made. */
struct layers_open {
	int *fd;
	size_t n;
};

static void close_layers(struct layers_open *l)
{
	for (size_t i = 0; i < l->n; i++)
		(void)close(l->fd[i]);
	free(l->fd);
}

static int add_layer(struct layers_open *l, const char *run_dir, const char *path,
		     struct buf *words, struct err *e)
{
	char name[FD_PATH_MAX];
	int fd = host_path_open(run_dir, path, O_DIRECTORY, e);

	if (fd < 0)
		return -1;
	l->fd = xrealloc(l->fd, (l->n + 1) * sizeof(int));
	l->fd[l->n++] = fd;
	buf_addf(words, "%s", fd_path(fd, name));
	return 0;
}

/*
 * Directories with `separator` between them ('\0': there is but one), each character after a backslash itself.
 * Empty ones, as in "::" before layers of data, are the kernel's to judge.
 */
static int add_layers(struct layers_open *l, const char *run_dir, const char *list, char separator,
		      struct buf *words, struct err *e)
{
	auto_free char *path = xcalloc(1, strlen(list) + 1);
	size_t len = 0;

	for (const char *p = list;; p++) {
		if (*p == '\\' && p[1]) {
			path[len++] = *++p;
			continue;
		}
		if (*p && *p != separator) {
			path[len++] = *p;
			continue;
		}
		path[len] = '\0';
		if (len > 0 && add_layer(l, run_dir, path, words, e) < 0)
			return -1;
		len = 0;
		if (!*p)
			return 0;
		buf_addf(words, "%c", separator);
	}
}

/* One option, with its directories opened if it names some. *ret is for free(). */
static int open_option(struct layers_open *l, const char *run_dir, const char *option, char **ret,
		       struct err *e)
{
	static const char *const keys[] = { "lowerdir=", "upperdir=", "workdir=" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		auto_buf struct buf words = BUF_INIT;
		size_t len = strlen(keys[i]);

		if (strncmp(option, keys[i], len) != 0)
			continue;
		buf_addf(&words, "%s", keys[i]);
		if (add_layers(l, run_dir, option + len, i == 0 ? ':' : '\0', &words, e) < 0)
			return err_wrap(e, "overlay's %.*s", (int)len - 1, keys[i]);
		*ret = xstrdup(words.data);
		return 0;
	}
	*ret = xstrdup(option);
	return 0;
}

/* The directory of the container for what is written. */
static int own_directory(const struct storage_user *user, const char *name, char ***words,
			 struct err *e)
{
	auto_free char *path = xasprintf("%s/%s/%s", user->run_dir, user->container_id, name);
	auto_free char *word = xasprintf("%sdir=%s", name, path);

	if (path_mkdirs(path, 0755, e) < 0)
		return -1;
	strv_add(words, word);
	return 0;
}

static int create_directories(const Grpc__Storage *s, const char *run_dir, struct err *e)
{
	for (size_t i = 0; i < s->n_driver_options; i++) {
		const char *option = s->driver_options[i];
		struct mount_point at = { .run_dir = run_dir };
		auto_close int fd = -1;

		if (strncmp(option, OVERLAY_CREATE, strlen(OVERLAY_CREATE)) != 0)
			continue;
		at.path = option + strlen(OVERLAY_CREATE);
		if (!path_is_clean(at.path))
			return err_set(e, ERR_INVALID, "'%s' is no absolute path", at.path);
		fd = mount_point_make(&at, true, e);
		if (fd < 0)
			return err_wrap(e, "create '%s'", at.path);
	}
	return 0;
}

static int overlay_mount(const Grpc__Storage *s, const struct mount_point *at,
			 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	CLEANUP(close_layers) struct layers_open layers = { .n = 0 };
	auto_strv char **words = NULL;
	auto_close int fd = -1;
	bool writable = false;

	(void)teardown;
	if (modules_demand("overlay", e) < 0 || create_directories(s, user->run_dir, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n_options; i++) {
		auto_free char *word = NULL;

		if (strcmp(s->options[i], OVERLAY_RW) == 0) {
			if (writable || !user->container_id)
				return err_set(e, ERR_INVALID, "option '%s' is not possible here",
					       OVERLAY_RW);
			writable = true;
			if (own_directory(user, "upper", &words, e) < 0 ||
			    own_directory(user, "work", &words, e) < 0)
				return -1;
			continue;
		}
		if (open_option(&layers, user->run_dir, s->options[i], &word, e) < 0)
			return -1;
		strv_add(&words, word);
	}
	if (mount_options_parse(words, strv_len((const char *const *)words), &o, e) < 0)
		return -1;
	fd = mount_point_make(at, true, e);
	return fd < 0 ? -1 : mount_at(s->source, at, "overlay", &o, e);
}

const struct storage_driver storage_overlayfs = { .name = "overlayfs", .mount = overlay_mount };

/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay mounts, long ones too; see overlay.h. */
#include "shim/storage/overlay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/mem.h"

#define LAYERS_MAX 500 /* OVL_MAX_STACK, fs/overlayfs */

char **overlay_split_lowerdir(const char *value)
{
	auto_buf struct buf part = BUF_INIT;
	char **parts = NULL;

	for (;; value++) {
		if (*value == '\\' && value[1]) {
			value++;
		} else if (*value == ':' || *value == '\0') {
			buf_add(&part, "", 0);
			if (part.len > 0)
				strv_add(&parts, part.data);
			part.len = 0;
			if (*value == '\0')
				break;
			continue;
		}
		buf_add(&part, value, 1);
	}
	return parts;
}

/* The layers of one lowerdir=, opened while the kernel is given their numbers as names. */
struct layers {
	int fd[LAYERS_MAX];
	size_t n;
};

static void layers_close(struct layers *l)
{
	while (l->n > 0)
		(void)close(l->fd[--l->n]);
}

static int open_layers(const char *lowerdir, struct layers *l, struct buf *ret, struct err *e)
{
	auto_strv char **dirs = overlay_split_lowerdir(lowerdir);
	size_t n = strv_len((const char *const *)dirs);

	if (n > LAYERS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu layers, the kernel's limit is %d", n,
			       LAYERS_MAX);
	buf_addf(ret, "lowerdir=");
	for (size_t i = 0; i < n; i++) {
		int fd = open(dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, errno, "open layer '%s'", dirs[i]);
		l->fd[l->n++] = fd;
		buf_addf(ret, "%s/proc/self/fd/%d", i ? ":" : "", fd);
	}
	return 0;
}

static int mount_by_descriptor(const char *target, const struct mount_options *o, struct layers *l,
			       struct err *e)
{
	auto_free char *copy = xstrdup(o->data);
	auto_buf struct buf data = BUF_INIT;
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		if (data.len)
			buf_add(&data, ",", 1);
		if (strncmp(word, "lowerdir=", strlen("lowerdir=")) != 0)
			buf_addf(&data, "%s", word);
		else if (open_layers(word + strlen("lowerdir="), l, &data, e) < 0)
			return -1;
	}
	if (data.len >= (size_t)getpagesize())
		return err_set(e, ERR_EXHAUSTED, "%zu layers need more than a page of options",
			       l->n);
	if (mount("overlay", target, "overlay", o->flags, data.data) < 0)
		return err_sys(e, errno, "mount overlay of %zu layers", l->n);
	return 0;
}

int overlay_mount(const char *target, const struct mount_options *o, struct err *e)
{
	struct layers *l;
	int result;

	if (strlen(o->data) < (size_t)getpagesize()) {
		if (mount("overlay", target, "overlay", o->flags, o->data) < 0)
			return err_sys(e, errno, "mount overlay (%.400s)", o->data);
		return 0;
	}
	l = xnew(struct layers);
	result = mount_by_descriptor(target, o, l, e);
	layers_close(l);
	free(l);
	return result;
}

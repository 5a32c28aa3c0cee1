/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of files that are shown by one rename; see projection.h. */
#include "agent/guest/projection.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define SHOWN     "..data"
#define SHOWN_NEW "..data_tmp" /* the kubelet's name for it, too */

static const int dir_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* ---- What is asked ---- */

static bool is_name(const char *s)
{
	return s[0] && strlen(s) <= NAME_MAX && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static bool is_set_name(const char *s)
{
	return is_name(s) && strncmp(s, "..", 2) == 0 && strncmp(s, SHOWN, strlen(SHOWN)) != 0;
}

/* What begins with ".." is the writer's own. */
static bool is_path_in_set(const char *s)
{
	auto_free char *absolute = xasprintf("/%s", s);

	return s[0] == '\0' || (strncmp(s, "..", 2) != 0 && path_is_clean(absolute));
}

static int check(const Husk__PutRequest *req, struct err *e)
{
	if (!is_name(req->volume))
		return err_set(e, ERR_INVALID, "that is no file name");
	if (!is_set_name(req->set))
		return err_set(e, ERR_INVALID, "'%s' is no name of a set", req->set);
	if (!req->root)
		return err_set(e, ERR_INVALID, "its owner and mode are missing");
	for (size_t i = 0; i < req->n_files; i++) {
		const Husk__ProjectedFile *f = req->files[i];

		if (!is_path_in_set(f->path))
			return err_set(e, ERR_INVALID, "'%s' is no path in a set", f->path);
		if (!S_ISDIR(f->mode) && (!S_ISREG(f->mode) || !f->path[0]))
			return err_set(e, ERR_INVALID, "'%s': mode %o is no file or directory",
				       f->path, f->mode);
	}
	return 0;
}

/* ---- A set ---- */

static int set_owner_and_mode(int fd, const Husk__ProjectedFile *f, struct err *e)
{
	/* In this order: a change of owner takes set-id bits away. */
	if (fchown(fd, f->uid, f->gid) < 0)
		return err_sys(e, errno, "set the owner of '%s'", f->path);
	if (fchmod(fd, f->mode & 07777) < 0)
		return err_sys(e, errno, "set the mode of '%s'", f->path);
	return 0;
}

/* All of it is new, in a directory that is new: what is there already was not made by this. */
static int write_one(int set, const Husk__ProjectedFile *f, struct err *e)
{
	const char *name = path_base(f->path);
	auto_free char *above = xasprintf("./%.*s", (int)(name - f->path), f->path);
	auto_close int parent = path_open_without_links(set, above, O_DIRECTORY, e);
	auto_close int fd = -1;

	if (parent < 0)
		return -1;
	if (S_ISDIR(f->mode)) {
		if (f->path[0] && mkdirat(parent, name, 0700) < 0)
			return err_sys(e, errno, "create directory '%s'", f->path);
		fd = openat(parent, f->path[0] ? name : ".", dir_flags);
	} else {
		fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	}
	if (fd < 0)
		return err_sys(e, errno, "create '%s'", f->path);
	if (S_ISREG(f->mode) && write_all(fd, f->data.data, f->data.len) < 0)
		return err_sys(e, errno, "write '%s'", f->path);
	return set_owner_and_mode(fd, f, e);
}

static int write_files(int volume, const char *set, const Husk__PutRequest *req, struct err *e)
{
	auto_close int fd = openat(volume, set, dir_flags);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", set);
	for (size_t i = 0; i < req->n_files; i++)
		if (write_one(fd, req->files[i], e) < 0)
			return -1;
	return 0;
}

/* Under another name if there is one of this, as when owners changed and nothing else. */
static int make_set(int volume, const Husk__PutRequest *req, char **ret_set, struct err *e)
{
	auto_free char *set = xstrdup(req->set);

	while (mkdirat(volume, set, 0700) < 0) {
		char *longer;

		if (errno != EEXIST || strlen(set) >= NAME_MAX)
			return err_sys(e, errno, "create '%s'", set);
		longer = xasprintf("%s-", set);
		free(set);
		set = longer;
	}
	if (write_files(volume, set, req, e) < 0) {
		struct err ignored = ERR_INIT;

		(void)!path_remove_tree(volume, set, &ignored);
		return -1;
	}
	*ret_set = take_ptr(set);
	return 0;
}

/* ---- Showing it ---- */

static int show(int volume, const char *set, char **ret_old, struct err *e)
{
	char old[NAME_MAX + 1];
	ssize_t n = readlinkat(volume, SHOWN, old, sizeof(old) - 1);

	if (unlinkat(volume, SHOWN_NEW, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove " SHOWN_NEW);
	if (symlinkat(set, volume, SHOWN_NEW) < 0)
		return err_sys(e, errno, "create " SHOWN_NEW);
	if (renameat(volume, SHOWN_NEW, volume, SHOWN) < 0) {
		err_sys(e, errno, "put " SHOWN " in place");
		(void)unlinkat(volume, SHOWN_NEW, 0);
		return -1;
	}
	old[n > 0 ? n : 0] = '\0';
	if (is_set_name(old))
		*ret_old = xstrdup(old);
	return 0;
}

static int add_link(int volume, const char *name, struct err *e)
{
	auto_free char *want = xasprintf(SHOWN "/%s", name);
	char have[sizeof(SHOWN) + NAME_MAX + 2];
	ssize_t n = readlinkat(volume, name, have, sizeof(have));

	if (n == (ssize_t)strlen(want) && memcmp(have, want, strlen(want)) == 0)
		return 0;
	if (path_remove_tree(volume, name, e) < 0)
		return -1;
	if (symlinkat(want, volume, name) < 0)
		return err_sys(e, errno, "create the link '%s'", name);
	return 0;
}

/* For each name that the set has at its top. */
static int add_links(int volume, const Husk__PutRequest *req, struct err *e)
{
	for (size_t i = 0; i < req->n_files; i++) {
		const char *name = req->files[i]->path;

		if (name[0] && !strchr(name, '/') && add_link(volume, name, e) < 0)
			return -1;
	}
	return 0;
}

static bool has(const Husk__PutRequest *req, const char *name)
{
	for (size_t i = 0; i < req->n_files; i++)
		if (strcmp(req->files[i]->path, name) == 0)
			return true;
	return false;
}

static int drop_links(int volume, const Husk__PutRequest *req, struct err *e)
{
	int copy = openat(volume, ".", dir_flags);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!dir) {
		err_sys(e, errno, "read the directory");
		if (copy >= 0)
			(void)close(copy);
		return -1;
	}
	for (struct dirent *de = readdir(dir); de && r == 0; de = readdir(dir))
		if (strncmp(de->d_name, "..", 2) != 0 && strcmp(de->d_name, ".") != 0 &&
		    !has(req, de->d_name))
			r = path_remove_tree(volume, de->d_name, e);
	(void)closedir(dir);
	return r;
}

static int put(int volume, const Husk__PutRequest *req, char **ret_old, struct err *e)
{
	auto_free char *set = NULL;

	if (set_owner_and_mode(volume, req->root, e) < 0 || make_set(volume, req, &set, e) < 0)
		return -1;
	if (show(volume, set, ret_old, e) < 0) {
		struct err ignored = ERR_INIT;

		(void)!path_remove_tree(volume, set, &ignored);
		return -1;
	}
	return add_links(volume, req, e) < 0 || drop_links(volume, req, e) < 0 ? -1 : 0;
}

int projection_put(const char *root, const Husk__PutRequest *req, char **ret_old, struct err *e)
{
	auto_close int rootfd = -1;
	auto_close int volume = -1;
	bool is_new;
	int r;

	*ret_old = NULL;
	if (check(req, e) < 0 || path_mkdirs(root, 0755, e) < 0)
		return -1;
	rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return err_sys(e, errno, "open '%s'", root);
	is_new = mkdirat(rootfd, req->volume, 0700) == 0;
	if (!is_new && errno != EEXIST)
		return err_sys(e, errno, "create the directory");
	volume = openat(rootfd, req->volume, dir_flags);
	r = volume < 0 ? err_sys(e, errno, "open the directory") : put(volume, req, ret_old, e);
	if (r < 0 && is_new) {
		struct err ignored = ERR_INIT;

		(void)!path_remove_tree(rootfd, req->volume, &ignored);
	}
	return r;
}

int projection_remove_set(const char *root, const char *volume, const char *set, struct err *e)
{
	auto_free char *path = path_join(root, volume);
	auto_close int fd = open(path, dir_flags);

	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : path_remove_tree(fd, set, e);
}

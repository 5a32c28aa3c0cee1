/* SPDX-License-Identifier: Apache-2.0 */
/* From containerd's mount list to disks of a guest; see rootfs_plan.h. */
#include "shim/storage/rootfs_plan.h"

#include <string.h>

#include "common/base/mem.h"
#include "shim/storage/mount_template.h"
#include "shim/storage/rootfs_disk.h"

#define MKDIR      "X-containerd.mkdir.path="
#define MOUNTS_MAX 256    /* entries; one per layer at most, and images have at most 127 */
#define MODE_0755  "0755" /* of directories that the guest makes */

/* A mount's type without the prefixes that ask for work before it is made (containerd-shim 5.1). */
struct entry {
	const char *type;
	bool prefixed, make;
};

static struct entry entry_of(const struct rootfs_mount *m)
{
	static const char *const prefixes[] = { "format/", "mkdir/", "mkfs/" };
	struct entry n = { .type = m->type };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
			size_t len = strlen(prefixes[i]);

			if (strncmp(n.type, prefixes[i], len) != 0)
				continue;
			n.type += len;
			n.prefixed = again = true;
			n.make = n.make || strcmp(prefixes[i], "mkfs/") == 0;
		}
	}
	return n;
}

static bool is(const struct entry *n, const char *type)
{
	return strcmp(n->type, type) == 0;
}

static int wrap(const struct rootfs_mount *m, size_t i, struct err *e)
{
	return err_wrap(e, "mount %zu of the root file system, %.100s '%.300s'", i, m->type,
			m->source);
}

/* A merged image is a layer also where it is the only one: its blobs come with it. */
static void set_alone(struct rootfs_plan *p)
{
	p->way = p->layer[0].more ? ROOTFS_LAYERS : ROOTFS_DISK;
	p->read_only = p->read_only || p->layer[0].more;
}

/* ---- Lists as they were before templates ---- */

static int plan_classic(const struct rootfs_mount *m, size_t n, struct rootfs_plan *p,
			struct err *e)
{
	p->way = ROOTFS_HOST;
	if (n != 1 || !rootfs_disk_has_type(m->type) ||
	    (m->target && *m->target && strcmp(m->target, "/") != 0))
		return 0;
	if (rootfs_disk_read(m, m->type, false, &p->layer[0], e) < 0)
		return -1;
	p->n_layers = 1;
	set_alone(p);
	return 0;
}

/* ---- Lists of disks and what they make together ---- */

static int add_disk(const struct rootfs_mount *m, const struct entry *n, size_t i,
		    struct rootfs_plan *p, struct err *e)
{
	struct rootfs_disk *d;

	if (is(n, "erofs")) {
		if (p->n_layers == ROOTFS_LAYERS_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u layers", ROOTFS_LAYERS_MAX);
		d = &p->layer[p->n_layers];
		if (rootfs_disk_read(m, n->type, n->make, d, e) < 0)
			return -1;
		p->n_layers++;
	} else {
		if (!is(n, "ext4"))
			return err_set(e, ERR_UNSUPPORTED, "'%.100s' is no part of layers",
				       n->type);
		if (p->has_writable)
			return err_set(e, ERR_UNSUPPORTED, "there is more than one writable layer");
		d = &p->writable;
		if (rootfs_disk_read(m, n->type, n->make, d, e) < 0)
			return -1;
		p->has_writable = true;
	}
	d->index = i;
	return 0;
}

/* A directory of the writable disk: its path there, or NULL if it is something else. */
static const char *in_writable(const struct rootfs_plan *p, const struct mount_path *path)
{
	if (!path->is_template || path->first != path->last || !p->has_writable ||
	    path->first != p->writable.index)
		return NULL;
	return path->rest;
}

static const struct rootfs_disk *layer_of_mount(const struct rootfs_plan *p, size_t index)
{
	for (size_t i = 0; i < p->n_layers; i++)
		if (p->layer[i].index == index)
			return &p->layer[i];
	return NULL;
}

/* "<path>[:<mode>[:<uid>:<gid>]]"; the guest makes directories of root's with mode 0755. */
static int read_mkdir(const char *value, size_t index, struct rootfs_plan *p, struct err *e)
{
	auto_free char *path = xstrndup(value, strcspn(value, ":"));
	const char *mode = value[strlen(path)] ? value + strlen(path) + 1 : "";
	struct mount_path at;
	const char *inside;

	if (mount_path_parse(path, index, &at, e) < 0)
		return -1;
	if (!at.is_template)
		return 0; /* on the host, of the directories that the guest does not use */
	inside = in_writable(p, &at);
	if (!inside || !*inside)
		return err_set(e, ERR_UNSUPPORTED, "a directory to be made in a layer: '%.200s'",
			       value);
	if (*mode && strcmp(mode, MODE_0755) != 0 && strcmp(mode, MODE_0755 ":0:0") != 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "a directory of mode and owner '%.40s': '%.200s'", mode, value);
	strv_add(&p->mkdirs, inside);
	return 0;
}

/* The layers that an overlay names must be all there are, in their order. */
static int check_lowers(const struct rootfs_plan *p, const size_t *named, size_t n, struct err *e)
{
	if (n != p->n_layers)
		return err_set(e, ERR_UNSUPPORTED, "it names %zu of %zu layers", n, p->n_layers);
	for (size_t i = 0; i < n; i++)
		if (named[i] != p->layer[i].index)
			return err_set(e, ERR_UNSUPPORTED,
				       "it names its layers in another order than they come in");
	return 0;
}

static int read_lowerdir(const char *value, size_t index, const struct rootfs_plan *p,
			 struct err *e)
{
	auto_free char *copy = xstrdup(value);
	size_t named[ROOTFS_LAYERS_MAX];
	char *rest = copy, *one;
	size_t n = 0;

	while ((one = strsep(&rest, ":"))) {
		struct mount_path path;
		size_t at;

		if (mount_path_parse(one, index, &path, e) < 0)
			return -1;
		if (!path.is_template || *path.rest)
			return err_set(e, ERR_UNSUPPORTED, "layer '%.200s' is no disk", one);
		for (at = path.first;; at += path.first < path.last ? 1u : (size_t)-1) {
			if (n == ROOTFS_LAYERS_MAX)
				return err_set(e, ERR_EXHAUSTED, "more than %u layers",
					       ROOTFS_LAYERS_MAX);
			if (!layer_of_mount(p, at))
				return err_set(e, ERR_UNSUPPORTED, "mount %zu is no layer", at);
			named[n++] = at;
			if (at == path.last)
				break;
		}
	}
	return check_lowers(p, named, n, e);
}

/* upperdir= or workdir=; the agent knows where they are in the writable layer. */
static int read_upper(const char *value, const char *want, size_t index, struct rootfs_plan *p,
		      struct err *e)
{
	struct mount_path path;
	const char *inside;

	if (mount_path_parse(value, index, &path, e) < 0)
		return -1;
	if (!path.is_template) {
		if (p->has_writable || *value != '/')
			return err_set(e, ERR_UNSUPPORTED, "'%.200s' is not in the writable layer",
				       value);
		*(strcmp(want, "upper") == 0 ? &p->upper_on_host : &p->work_on_host) = value;
		return 0;
	}
	inside = in_writable(p, &path);
	if (!inside || strcmp(inside, want) != 0)
		return err_set(e, ERR_UNSUPPORTED, "'%.200s' is not %s of the writable layer",
			       value, want);
	return 0;
}

/* Words about how the kernel keeps an overlay, not about what is in it: the guest decides. */
static bool is_tuning(const char *word)
{
	static const char *const names[] = { "index=",   "metacopy=",   "redirect_dir=",
					     "xino=",    "nfs_export=", "uuid=",
					     "volatile", "context=",    "x-",
					     "ro",       "rw",          "fsync=" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 ? word + len : NULL;
}

static int plan_overlay(const struct rootfs_mount *m, size_t index, struct rootfs_plan *p,
			struct err *e)
{
	bool lower = false, upper = false, work = false;
	const char *value;

	for (size_t i = 0; m->options && m->options[i]; i++) {
		const char *word = m->options[i];
		int r = 0;

		if ((value = value_of(word, "lowerdir="))) {
			r = read_lowerdir(value, index, p, e);
			lower = true;
		} else if ((value = value_of(word, "upperdir="))) {
			r = read_upper(value, "upper", index, p, e);
			upper = true;
		} else if ((value = value_of(word, "workdir="))) {
			r = read_upper(value, "work", index, p, e);
			work = true;
		} else if ((value = value_of(word, MKDIR))) {
			r = read_mkdir(value, index, p, e);
		} else if (!is_tuning(word)) {
			r = err_set(e, ERR_UNSUPPORTED, "option '%.200s' is not supported", word);
		}
		if (r < 0)
			return -1;
	}
	if (!lower)
		return err_set(e, ERR_INVALID, "it has no lowerdir=");
	if (upper != work || (p->has_writable && !upper))
		return err_set(e, ERR_INVALID, "it has upperdir= or workdir= alone, or not at all");
	p->way = ROOTFS_LAYERS;
	p->read_only = !upper;
	return 0;
}

static int plan_bind(const struct rootfs_mount *m, size_t index, struct rootfs_plan *p,
		     struct err *e)
{
	struct mount_path path;
	const char *inside;

	if (mount_path_parse(m->source, index, &path, e) < 0)
		return -1;
	for (size_t i = 0; m->options && m->options[i]; i++) {
		const char *value = value_of(m->options[i], MKDIR);

		if (value && read_mkdir(value, index, p, e) < 0)
			return -1;
		p->read_only = p->read_only || strcmp(m->options[i], "ro") == 0;
	}
	inside = in_writable(p, &path);
	if (inside && *inside && p->n_layers == 0) {
		p->way = ROOTFS_WRITABLE_DIRECTORY;
		p->directory = xstrdup(inside);
		return 0;
	}
	if (p->n_layers == 1 && !p->has_writable && path.is_template && !*path.rest &&
	    path.first == p->layer[0].index && path.first == path.last) {
		set_alone(p);
		return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "it is no directory of a disk");
}

static int plan_step(const struct rootfs_mount *m, size_t i, size_t n, struct rootfs_plan *p,
		     struct err *e)
{
	const struct entry entry = entry_of(m);
	bool composes = is(&entry, "overlay") || is(&entry, "bind");

	if (composes != (i + 1 == n && n > 1))
		return err_set(e, ERR_UNSUPPORTED,
			       composes ? "it is not the last"
					: "an overlay or bind has to follow");
	if (!composes)
		return add_disk(m, &entry, i, p, e);
	return is(&entry, "overlay") ? plan_overlay(m, i, p, e) : plan_bind(m, i, p, e);
}

static int plan_disks(const struct rootfs_mount *m, size_t n, struct rootfs_plan *p, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (plan_step(&m[i], i, n, p, e) < 0)
			return wrap(&m[i], i, e);
	return 0;
}

static int plan(const struct rootfs_mount *m, size_t n, struct rootfs_plan *p, struct err *e)
{
	bool disks = false;

	for (size_t i = 0; i < n; i++) {
		const struct entry entry = entry_of(&m[i]);

		disks = disks || entry.prefixed || is(&entry, "erofs");
	}
	if (disks && n > 1)
		return plan_disks(m, n, p, e);
	if (plan_classic(m, n, p, e) < 0)
		return wrap(&m[0], 0, e);
	if (disks && p->way == ROOTFS_HOST) {
		err_set(e, ERR_UNSUPPORTED, "it cannot stand alone");
		return wrap(&m[0], 0, e);
	}
	return 0;
}

int rootfs_plan_make(const struct rootfs_mount *mounts, size_t n, struct rootfs_plan *ret,
		     struct err *e)
{
	struct rootfs_plan p = { .way = ROOTFS_HOST };

	if (n > MOUNTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu mounts of a root file system, at most %d", n,
			       MOUNTS_MAX);
	p.layer = xcalloc(n + 1, sizeof(p.layer[0]));
	if (plan(mounts, n, &p, e) < 0) {
		rootfs_plan_done(&p);
		return -1;
	}
	*ret = p;
	return 0;
}

void rootfs_plan_done(struct rootfs_plan *p)
{
	for (size_t i = 0; i < p->n_layers; i++)
		rootfs_disk_done(&p->layer[i]);
	free(p->layer);
	rootfs_disk_done(&p->writable);
	free(p->directory);
	free(p->upper_in_guest);
	strv_free(p->mkdirs);
	*p = (struct rootfs_plan){ .way = ROOTFS_HOST };
}

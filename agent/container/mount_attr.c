/* SPDX-License-Identifier: Apache-2.0 */
/* Words of an OCI mount's options to attributes; pure. */
#include "agent/container/mount_attr.h"

#include <string.h>
#include <sys/mount.h>

#include "common/base/mem.h"

enum kind {
	ATTR,        /* of the mount; with an 'r' in front also of everything below */
	PROPAGATION, /* the same */
	BIND,
	COPY_UP,
	IDMAP,
	SUPERBLOCK, /* a word that fsconfig(2) takes as it is */
	IGNORED,    /* what the kernel does anyway, or what only mount(8) reads */
	NONSENSE,
};

/* Times of access are a number in a field, not bits: setting one clears the field. */
#define ATIME MOUNT_ATTR__ATIME

static const struct word {
	const char *name;
	enum kind kind;
	bool below; /* has a form with 'r' in front */
	uint64_t set, clear;
} words[] = {
	{ "ro", ATTR, true, MOUNT_ATTR_RDONLY, 0 },
	{ "rw", ATTR, true, 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", ATTR, true, MOUNT_ATTR_NOSUID, 0 },
	{ "suid", ATTR, true, 0, MOUNT_ATTR_NOSUID },
	{ "nodev", ATTR, true, MOUNT_ATTR_NODEV, 0 },
	{ "dev", ATTR, true, 0, MOUNT_ATTR_NODEV },
	{ "noexec", ATTR, true, MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", ATTR, true, 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", ATTR, true, MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", ATTR, true, 0, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", ATTR, true, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", ATTR, true, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "noatime", ATTR, true, MOUNT_ATTR_NOATIME, ATIME },
	{ "atime", ATTR, true, MOUNT_ATTR_RELATIME, ATIME },
	{ "relatime", ATTR, true, MOUNT_ATTR_RELATIME, ATIME },
	{ "norelatime", ATTR, true, MOUNT_ATTR_RELATIME, ATIME },
	{ "strictatime", ATTR, true, MOUNT_ATTR_STRICTATIME, ATIME },
	{ "nostrictatime", ATTR, true, MOUNT_ATTR_RELATIME, ATIME },
	{ "shared", PROPAGATION, true, MS_SHARED, 0 },
	{ "slave", PROPAGATION, true, MS_SLAVE, 0 },
	{ "private", PROPAGATION, true, MS_PRIVATE, 0 },
	{ "unbindable", PROPAGATION, true, MS_UNBINDABLE, 0 },
	{ "bind", BIND, true, 0, 0 },
	{ "tmpcopyup", COPY_UP, false, 0, 0 },
	{ "sync", SUPERBLOCK, false, 0, 0 },
	{ "dirsync", SUPERBLOCK, false, 0, 0 },
	{ "lazytime", SUPERBLOCK, false, 0, 0 },
	{ "mand", SUPERBLOCK, false, 0, 0 },
	{ "async", IGNORED, false, 0, 0 },
	{ "defaults", IGNORED, false, 0, 0 },
	{ "iversion", IGNORED, false, 0, 0 },
	{ "loud", IGNORED, false, 0, 0 },
	{ "noiversion", IGNORED, false, 0, 0 },
	{ "nolazytime", IGNORED, false, 0, 0 },
	{ "nomand", IGNORED, false, 0, 0 },
	{ "silent", IGNORED, false, 0, 0 },
	{ "remount", NONSENSE, false, 0, 0 },
	{ "loop", NONSENSE, false, 0, 0 },
	{ "idmap", IDMAP, true, 0, 0 },
};

static const struct word *find_word(const char *option, bool *ret_below)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(option, words[i].name) == 0) {
			*ret_below = false;
			return &words[i];
		}
		if (words[i].below && option[0] == 'r' && strcmp(option + 1, words[i].name) == 0) {
			*ret_below = true;
			return &words[i];
		}
	}
	return NULL;
}

static void change(uint64_t *set, uint64_t *clear, const struct word *w)
{
	*set = (*set & ~w->clear) | w->set;
	*clear = (*clear & ~w->set) | w->clear;
}

static int take_word(struct mount_attrs *a, const struct word *w, bool below, struct err *e)
{
	switch (w->kind) {
	case ATTR:
		if (below)
			change(&a->below_set, &a->below_clear, w);
		else
			change(&a->set, &a->clear, w);
		return 0;
	case PROPAGATION:
		a->propagation = w->set;
		a->propagation_below = below;
		return 0;
	case BIND:
		a->bind = true;
		a->bind_below = below;
		return 0;
	case COPY_UP:
		a->copy_up = true;
		return 0;
	case IDMAP:
		a->idmap = true;
		a->idmap_below = below;
		return 0;
	case SUPERBLOCK:
		strv_add(&a->fs, w->name);
		return 0;
	case IGNORED:
		return 0;
	case NONSENSE:
		return err_set(e, ERR_INVALID, "mount option '%s' makes no sense for a container",
			       w->name);
	}
	return 0;
}

int mount_attrs_parse(char *const *option, size_t n, struct mount_attrs *ret, struct err *e)
{
	auto_mount_attrs struct mount_attrs a = { .fs = NULL };

	for (size_t i = 0; i < n; i++) {
		bool below;
		const struct word *w = find_word(option[i], &below);

		if (option[i][0] == '\0')
			return err_set(e, ERR_INVALID, "an empty mount option");
		if (w) {
			if (take_word(&a, w, below, e) < 0)
				return -1;
		} else if (strncmp(option[i], "x-", 2) != 0 && strncmp(option[i], "X-", 2) != 0) {
			strv_add(&a.fs, option[i]);
		}
	}
	*ret = a;
	a.fs = NULL;
	return 0;
}

void mount_attrs_done(struct mount_attrs *a)
{
	strv_free(a->fs);
	a->fs = NULL;
}

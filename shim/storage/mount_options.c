/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options: words to flags by table; see mount_options.h. */
#include "shim/storage/mount_options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/mem.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} flag_words[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "iversion", MS_I_VERSION, 0 },
	{ "lazytime", MS_LAZYTIME, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "noiversion", 0, MS_I_VERSION },
	{ "nolazytime", 0, MS_LAZYTIME },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "nosymfollow", 256 /* MS_NOSYMFOLLOW, linux/mount.h */, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "silent", MS_SILENT, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

static const struct {
	const char *name;
	unsigned long value;
} propagation_words[] = {
	{ "private", MS_PRIVATE },
	{ "rprivate", MS_PRIVATE | MS_REC },
	{ "rshared", MS_SHARED | MS_REC },
	{ "rslave", MS_SLAVE | MS_REC },
	{ "runbindable", MS_UNBINDABLE | MS_REC },
	{ "shared", MS_SHARED },
	{ "slave", MS_SLAVE },
	{ "unbindable", MS_UNBINDABLE },
};

/* Option names, or their beginnings, that never reach the kernel. */
static const char *const dropped[] = { "context=", "fscontext=", "defcontext=", "rootcontext=",
				       "x-" };
static const char *const refused[] = { "X-containerd.", "X-kata.", "io.katacontainers.",
				       "uidmap=",       "gidmap=", "idmap",
				       "ridmap",        "remount" };

static bool starts_with_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(word, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

static bool take_flag(const char *word, struct mount_options *o)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_words); i++) {
		if (strcmp(word, flag_words[i].name) != 0)
			continue;
		o->flags = (o->flags & ~flag_words[i].clear) | flag_words[i].set;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(propagation_words); i++) {
		if (strcmp(word, propagation_words[i].name) != 0)
			continue;
		o->propagation = propagation_words[i].value;
		return true;
	}
	return false;
}

static int check_word(const char *word, struct err *e)
{
	if (starts_with_one_of(word, refused, ARRAY_LEN(refused)))
		return err_set(e, ERR_UNSUPPORTED, "mount option '%.200s' is not supported", word);
	return 0;
}

int mount_options_parse(const char *const *options, struct mount_options *ret, struct err *e)
{
	struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_buf struct buf data = BUF_INIT;

	buf_add(&data, "", 0);
	for (size_t i = 0; options && options[i]; i++) {
		const char *word = options[i];

		if (!*word)
			continue;
		if (take_flag(word, &o)) {
			o.read_only_below |= strcmp(word, "rro") == 0;
			continue;
		}
		if (strcmp(word, "loop") == 0) {
			o.loop = true;
			continue;
		}
		if (check_word(word, e) < 0)
			return -1;
		if (starts_with_one_of(word, dropped, ARRAY_LEN(dropped)))
			continue;
		buf_addf(&data, "%s%s", data.len ? "," : "", word);
	}
	o.data = take_ptr(data.data);
	*ret = o;
	return 0;
}

int mount_options_for_guest(const char *const *options, char ***ret, struct err *e)
{
	for (size_t i = 0; options && options[i]; i++) {
		const char *word = options[i];

		if (!*word || strcmp(word, "loop") == 0)
			continue;
		if (check_word(word, e) < 0)
			return -1;
		if (!starts_with_one_of(word, dropped, ARRAY_LEN(dropped)))
			strv_add(ret, word);
	}
	return 0;
}

void mount_options_done(struct mount_options *o)
{
	free(o->data);
	*o = MOUNT_OPTIONS_INIT;
}

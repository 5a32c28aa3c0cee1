/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options from words to flags and data, by table; see options.h. */
#include "agent/mount/options.h"

#include <string.h>
#include <sys/mount.h>

#include "common/base/mem.h"

/* Names as in mount(8) and the OCI runtime specification, "Mounts". */
static const struct flag {
	const char *name;
	unsigned long set, clear;
	bool propagation;
} flags[] = {
	{ "async", 0, MS_SYNCHRONOUS, false },
	{ "atime", 0, MS_NOATIME, false },
	{ "bind", MS_BIND, 0, false },
	{ "defaults", 0, 0, false },
	{ "dev", 0, MS_NODEV, false },
	{ "diratime", 0, MS_NODIRATIME, false },
	{ "dirsync", MS_DIRSYNC, 0, false },
	{ "exec", 0, MS_NOEXEC, false },
	{ "iversion", MS_I_VERSION, 0, false },
	{ "lazytime", MS_LAZYTIME, 0, false },
	{ "loud", 0, MS_SILENT, false },
	{ "mand", MS_MANDLOCK, 0, false },
	{ "noatime", MS_NOATIME, MS_STRICTATIME | MS_RELATIME, false },
	{ "nodev", MS_NODEV, 0, false },
	{ "nodiratime", MS_NODIRATIME, 0, false },
	{ "noexec", MS_NOEXEC, 0, false },
	{ "noiversion", 0, MS_I_VERSION, false },
	{ "nolazytime", 0, MS_LAZYTIME, false },
	{ "nomand", 0, MS_MANDLOCK, false },
	{ "norelatime", 0, MS_RELATIME, false },
	{ "nostrictatime", 0, MS_STRICTATIME, false },
	{ "nosuid", MS_NOSUID, 0, false },
	{ "private", MS_PRIVATE, 0, true },
	{ "rbind", MS_BIND | MS_REC, 0, false },
	{ "relatime", MS_RELATIME, MS_NOATIME | MS_STRICTATIME, false },
	{ "remount", MS_REMOUNT, 0, false },
	{ "ro", MS_RDONLY, 0, false },
	{ "rprivate", MS_PRIVATE | MS_REC, 0, true },
	{ "rshared", MS_SHARED | MS_REC, 0, true },
	{ "rslave", MS_SLAVE | MS_REC, 0, true },
	{ "runbindable", MS_UNBINDABLE | MS_REC, 0, true },
	{ "rw", 0, MS_RDONLY, false },
	{ "shared", MS_SHARED, 0, true },
	{ "silent", MS_SILENT, 0, false },
	{ "slave", MS_SLAVE, 0, true },
	{ "strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME, false },
	{ "suid", 0, MS_NOSUID, false },
	{ "sync", MS_SYNCHRONOUS, 0, false },
	{ "unbindable", MS_UNBINDABLE, 0, true },
};

static const struct flag *flag_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strcmp(flags[i].name, name) == 0)
			return &flags[i];
	return NULL;
}

int mount_options_parse(char *const *option, size_t n, struct mount_options *ret, struct err *e)
{
	struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_buf struct buf data = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct flag *f = flag_find(option[i]);

		if (f && f->propagation) {
			o.propagation = f->set;
		} else if (f) {
			o.flags = (o.flags & ~f->clear) | f->set;
		} else if (strcmp(option[i], "loop") == 0 || option[i][0] == '\0') {
			return err_set(e, ERR_INVALID, "mount option '%s' is not possible here",
				       option[i]);
		} else {
			if (data.len > 0)
				buf_add(&data, ",", 1);
			buf_add(&data, option[i], strlen(option[i]));
		}
		if (data.len > MOUNT_DATA_MAX)
			return err_set(
				e, ERR_INVALID,
				"mount options are longer than the %d bytes the kernel takes",
				MOUNT_DATA_MAX);
	}
	o.data = take_ptr(data.data);
	*ret = o;
	return 0;
}

void mount_options_done(struct mount_options *o)
{
	free(o->data);
	*o = MOUNT_OPTIONS_INIT;
}

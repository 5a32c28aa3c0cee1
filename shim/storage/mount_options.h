/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_MOUNT_OPTIONS_H
#define HUSK_SHIM_STORAGE_MOUNT_OPTIONS_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Mount options as containerd's snapshotters and OCI specs write them (mount(8) words), sorted into
 * what the kernel takes as flags, what it takes as text, and what is for the one who mounts.
 *
 * Never passed on: "loop" (it is a request to us), "context=…" and its relatives (a label for a
 * mount on the host means nothing in the guest), "x-…" comments. Refused with ERR_UNSUPPORTED:
 * "X-containerd.…", "X-kata.…" and "io.katacontainers.…" (they ask for dm-verity, formatting and the
 * like, and a mount without what was asked for would be wrong in silence) and id-mapped mounts.
 */
struct mount_options {
	unsigned long flags;       /* MS_*, MS_BIND and MS_REC among them */
	unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, …, or 0 */
	bool read_only_below;      /* "rro": MS_RDONLY is meant for the mounts below as well */
	bool loop;
	char *data; /* the rest, joined by commas; "" if none. mount_options_done() frees it */
};

#define MOUNT_OPTIONS_INIT ((struct mount_options){ .data = NULL })

/* `options` is NULL-terminated and may be NULL. */
int mount_options_parse(const char *const *options, struct mount_options *ret, struct err *e)
	must_check;
void mount_options_done(struct mount_options *o);

#define auto_mount_options CLEANUP(mount_options_done)

/*
 * The words that are left for somebody else to mount with: those that mount_options_parse() would
 * pass to the kernel, added to *ret (for strv_free()). The same words are refused.
 */
int mount_options_for_guest(const char *const *options, char ***ret, struct err *e) must_check;

#endif

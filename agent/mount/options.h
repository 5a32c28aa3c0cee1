/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MOUNT_OPTIONS_H
#define HUSK_AGENT_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The options of one mount, as they stand in an OCI spec or a Storage, sorted into what mount(2)
 * takes apart: flags, propagation (a call of its own) and the data string for the file system.
 */
#define MOUNT_DATA_MAX 4095 /* bytes; the kernel takes one page less one (mount(2)) */

struct mount_options {
	unsigned long flags; /* MS_RDONLY, MS_BIND, MS_REC, MS_REMOUNT, ... */
	unsigned long
		propagation; /* MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE, MS_REC; or 0 */
	char *data;          /* NULL: none */
};
#define MOUNT_OPTIONS_INIT ((struct mount_options){ .data = NULL })

/*
 * Later options win over earlier ones, as with mount(8) ("ro,rw" is rw). A word that is no flag goes
 * to the data string. ERR_INVALID: "loop" (there is no loop device to set up in the guest), an empty
 * option, or more data than the kernel takes. Release with mount_options_done().
 */
int mount_options_parse(char *const *option, size_t n, struct mount_options *ret, struct err *e)
	must_check;
void mount_options_done(struct mount_options *o);

#define auto_mount_options CLEANUP(mount_options_done)

#endif

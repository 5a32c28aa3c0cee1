/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_DIRECT_VOLUME_H
#define HUSK_SHIM_STORAGE_DIRECT_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Volumes whose file system the guest is to mount itself, from the device it is on. A storage driver says
 * so in a file, below a name made of the path that the container mounts (runtime-features.md 6.4):
 * <dir>/<base64url of the path>/mountInfo.json.
 */
#define DIRECT_VOLUME_DIR "/run/kata-containers/shared/direct-volumes"

struct direct_volume {
	char *device; /* a block device, or an image file */
	char *fstype;
	char **options; /* for the mount; NULL: none */
	bool read_only; /* one of them is "ro" */
	bool create_file_system;
	bool has_group;
	uint32_t group;      /* that owns its files */
	bool group_if_other; /* change owners only where the root's is another */
};

/*
 * What is said of the path `source`. Returns 1, or 0 where nothing is. ERR_INVALID: the file is not
 * understood; ERR_UNSUPPORTED: it asks for what husk has not got. Both name it.
 */
int direct_volume_find(const char *dir, const char *source, struct direct_volume *ret,
		       struct err *e) must_check;
void direct_volume_done(struct direct_volume *v);
#define auto_direct_volume CLEANUP(direct_volume_done)

/* The text of mountInfo.json. Seen by tests. */
int direct_volume_parse(const char *text, size_t len, struct direct_volume *ret, struct err *e)
	must_check;

#endif

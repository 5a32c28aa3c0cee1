/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_DIRECT_VOLUME_H
#define HUSK_CONFIG_DIRECT_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Volumes whose file system the guest is to mount itself, from the device it is on. A storage driver says
 * so in a file, below a name made of the path that the container mounts (runtime-features.md 6.4):
 * <dir>/<base64url of the path>/mountInfo.json. Beside it is a file for each sandbox that has the volume:
 * its name is the sandbox's id, its text "<namespace>/<id>".
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

/*
 * Say of the path `source` what `text` says, in the place of what was said before. What is wrong with it
 * is found here, not when the volume is used: errors as above.
 */
int direct_volume_add(const char *dir, const char *source, const char *text, struct err *e)
	must_check;
/* Nothing is said of it any more. ERR_NOT_FOUND if nothing was. */
int direct_volume_remove(const char *dir, const char *source, struct err *e) must_check;

/* The sandbox "<namespace>/<id>" has the volume, and has it no more. */
int direct_volume_set_user(const char *dir, const char *source, const char *sandbox, struct err *e)
	must_check;
int direct_volume_clear_user(const char *dir, const char *source, const char *sandbox,
			     struct err *e) must_check;
/* Those that have it, for strv_free(); NULL: none. One that crashed may be among them. */
int direct_volume_users(const char *dir, const char *source, char ***ret, struct err *e) must_check;

/* The text of mountInfo.json. */
int direct_volume_parse(const char *text, size_t len, struct direct_volume *ret, struct err *e)
	must_check;

#endif

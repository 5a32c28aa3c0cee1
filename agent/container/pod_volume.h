/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_POD_VOLUME_H
#define HUSK_AGENT_POD_VOLUME_H

#include <stdbool.h>

#include "common/base/err.h"

/*
 * Parts of the pod's volumes in the guest's memory, as sources of mounts (a subPath of an emptyDir):
 *
 *	<run dir>/sandbox/ephemeral/<volume>/<path>
 *	<run dir>/sandbox/local/<volume>/<path>
 *
 * The containers of the pod write into the volume, so a path is resolved beneath it, and no symlink
 * leads out. What is missing is made, directories with the mode and group of the volume: on the host,
 * where the kubelet did that, nobody looks.
 */

/* Is `path` such a part? *ret_len: how much of it is the volume. `dir` is <run dir>/sandbox. */
bool pod_volume_is_part(const char *dir, const char *path, size_t *ret_len);

/* An O_PATH descriptor. */
int pod_volume_open_part(const char *path, size_t volume_len, struct err *e) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_VERITY_MAPPED_H
#define HUSK_VERITY_MAPPED_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/verity/verity.h"

/*
 * Verified devices. Every call blocks: fibers use a worker. The library behind it has state without
 * locks: callers make one call at a time. Built without it (configure --without-devmapper), opening
 * fails with ERR_UNSUPPORTED and "built without dm-verity", and nothing is ever mounted instead.
 *
 * There is no udev in the guest and none is waited for: the node is made here and taken away here.
 */
struct verity_device {
	char name[VERITY_NAME_MAX + 1];
	char node[VERITY_NAME_MAX + sizeof("/dev/mapper/")]; /* to be mounted */
};

/*
 * Map `device` (a block device's path), read-only, under this name, and read the first block through
 * it: a wrong root hash is noticed when something is read, not before. ERR_INVALID then, with
 * "verification failed"; ERR_EXISTS if the name is in use. On failure nothing is left. name: at most
 * VERITY_NAME_MAX bytes.
 */
int verity_open(const struct verity_params *p, const char *device, const char *name,
		struct verity_device *ret, struct err *e) must_check;

/*
 * Take it away, with its node. One that is still in use goes with its last user, and that is success
 * too; so is one that is gone.
 */
int verity_close(const struct verity_device *v, struct err *e) must_check;

#endif

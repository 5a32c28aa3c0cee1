/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_VOLUME_DISK_H
#define HUSK_SHIM_STORAGE_VOLUME_DISK_H

#include "common/oci/spec.h"
#include "config/direct_volume.h"
#include "shim/storage/disks.h"
#include "shim/storage/guest_request.h"

/*
 * Volumes that are disks. Containers of a pod that name the same one share it. What is plugged is on
 * `u`; ERR_UNSUPPORTED where the VMM takes no disks.
 */
struct volume_disk_params {
	const char *direct_volumes; /* DIRECT_VOLUME_DIR, but for tests */
	const char *sandbox;        /* "<namespace>/<id>", which has the volumes */
	struct disks *disks;
	struct deadline d;
	struct undo *u;
	struct guest_request *r;
};

/* A block device of the host at `path` in the container. One that cannot be written is read-only. */
int volume_disk_device(const struct volume_disk_params *p, const char *device, const char *path,
		       bool read_only, struct err *e) must_check;

/*
 * The file system of a direct volume, `source` in the spec, that the guest mounts; *ret_path is where,
 * for free(). The volume's directory says that the sandbox has it, as long as it has.
 */
int volume_disk_mount(const struct volume_disk_params *p, const char *source,
		      const struct direct_volume *v, char **ret_path, struct err *e) must_check;

/* A direct volume in the guest, for each container that has it. */
struct direct_mount {
	struct direct_mount *next;
	struct disks *disks;
	char *directory, *sandbox; /* as in volume_disk_params */
	char *source;              /* in the spec */
	char *path;                /* in the guest */
	char *device;              /* on the host */
	bool read_only;
	const struct hv_device *plugged;
};

/* Borrowed until the next wait; NULL: the sandbox has no such volume. */
const struct direct_mount *volume_disk_find(const struct disks *disks, const char *source);

/*
 * The block devices that the spec lists (Kubernetes' raw block volumes). Not those of a container that is
 * allowed everything: its spec lists whatever the host has, and nobody asked for that.
 */
int volume_disk_spec_devices(const struct volume_disk_params *p, const struct oci_spec *spec,
			     struct err *e) must_check;

#endif

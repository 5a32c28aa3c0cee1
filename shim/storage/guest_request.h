/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_GUEST_REQUEST_H
#define HUSK_SHIM_STORAGE_GUEST_REQUEST_H

#include "agent.pb-c.h"
#include "common/base/cleanup.h"

/* What CreateContainer carries beside the spec: file systems to be mounted, devices to be given. */
struct guest_request {
	Grpc__Storage **storages;
	size_t n_storages;
	Grpc__Device **devices;
	size_t n_devices;
};

#define GUEST_REQUEST_INIT ((struct guest_request){ .n_storages = 0 })

/* `driver` and `source` as the device that was plugged says. Borrowed from r, to be completed. */
Grpc__Storage *guest_request_add_storage(struct guest_request *r, const char *driver,
					 const char *source, const char *fstype,
					 const char *mount_point);
void guest_storage_add_option(Grpc__Storage *s, const char *option);
void guest_storage_add_driver_option(Grpc__Storage *s, const char *option);

/* The device of this address becomes `path` in the container. */
void guest_request_add_device(struct guest_request *r, const char *type, const char *address,
			      const char *path);

void guest_request_done(struct guest_request *r);
#define auto_guest_request CLEANUP(guest_request_done)

#endif

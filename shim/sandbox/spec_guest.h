/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SPEC_GUEST_H
#define HUSK_SHIM_SPEC_GUEST_H

#include "common/oci/to_agent.h"
#include "shim/storage/volume.h"

/*
 * The OCI spec that containerd wrote, as the guest is to apply it (agent-protocol 3.5): host paths
 * become guest paths, and what only makes sense on the host is taken out.
 */
struct spec_guest_params {
	const char *bundle;           /* host path, for the annotation */
	const char *rootfs;           /* guest path */
	const struct volume *volumes; /* one for each mount of the spec */
	const char *const *sysctls;   /* "key=value", beside the spec's own; NULL: none */
	Grpc__Device *const *devices; /* that were plugged; the spec keeps their entries */
	size_t n_devices;
	bool drop_seccomp; /* disable_guest_seccomp */
	bool read_only;    /* the root file system, whatever the spec says */
};

/*
 * *ret is for grpc__spec__free_unpacked(). *ret_sandbox_pidns: the container shares the pid
 * namespace of the sandbox.
 */
int spec_guest(const struct oci_spec *s, const struct spec_guest_params *p, Grpc__Spec **ret,
	       bool *ret_sandbox_pidns, struct err *e) must_check;

/* The same of a container's resources alone (NULL: none); but its device rules stay. */
void spec_guest_resources(Grpc__LinuxResources *r);

/* What a sandbox has to know of its first container: the size of /dev/shm in bytes. Blocks. */
uint64_t spec_shm_bytes(const struct oci_spec *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_POD_FILES_H
#define HUSK_SHIM_POD_FILES_H

#include "common/oci/spec.h"
#include "cri.pb-c.h"

/*
 * /etc/hostname, /etc/hosts and /etc/resolv.conf of a pod. Where containerd makes the sandbox itself it
 * writes them and binds them into each container; with the sandbox API that is the shim's part.
 */

/* Write them into the sandbox's bundle, which goes with it. */
int pod_files_write(const char *bundle, const Runtime__V1__PodSandboxConfig *pod, struct err *e)
	must_check;

/* Bind them into a container, at each place for which its spec has nothing else. */
void pod_files_add_mounts(const char *bundle, struct oci_spec *spec);

#endif

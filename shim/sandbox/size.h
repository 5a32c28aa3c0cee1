/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_SIZE_H
#define HUSK_SHIM_SANDBOX_SIZE_H

#include "common/oci/spec.h"
#include "config/sizing.h"

/*
 * What the first container of a sandbox says about the sandbox: for a pod the annotations with the
 * sums of its containers (io.kubernetes.cri.sandbox-cpu-quota, -cpu-period, -cpu-shares and
 * sandbox-memory; containerd writes them since 1.6), else its own linux.resources.
 *
 * ERR_INVALID, with its name, for an annotation that is no number.
 */
int sandbox_sizing_request(const struct oci_spec *spec, struct sizing_request *ret, struct err *e)
	must_check;

/* A container's own limits, where there are some; what is not there is left alone in *ret. */
void sandbox_container_limits(const struct oci_resources *r, struct sizing_request *ret);

#endif

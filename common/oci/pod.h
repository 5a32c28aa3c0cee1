/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_POD_H
#define HUSK_OCI_POD_H

#include "common/oci/spec.h"

/* What a container is to a pod, by the annotations of containerd's CRI plugin or of CRI-O. */
enum pod_role {
	POD_NONE,     /* `ctr run`: a container on its own */
	POD_SANDBOX,  /* the "pause" container, which stands for the pod itself */
	POD_CONTAINER /* one of those that run in it */
};

enum pod_role pod_role(const struct oci_spec *s);

#endif

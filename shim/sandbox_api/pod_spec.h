/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_POD_SPEC_H
#define HUSK_SHIM_POD_SPEC_H

#include "common/oci/spec.h"
#include "cri.pb-c.h"
#include "sandbox.pb-c.h"

/*
 * The pod's configuration that came with a request, for runtime__v1__pod_sandbox_config__free_unpacked().
 * A request without one (ctr sandboxes run) is for a pod that asks for nothing. ERR_INVALID for options
 * of another kind.
 */
int pod_config(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	       Runtime__V1__PodSandboxConfig **ret, struct err *e) must_check;

/*
 * The sandbox API brings the pod's configuration as the CRI has it, where the task API brings an OCI
 * spec that containerd made of it. This makes the same of it, as far as a sandbox needs it: host name,
 * network namespace, cgroup, sysctls (with containerd's defaults) and annotations, those with the pod's
 * limits among them. So whatever looks at the spec of a sandbox need not know which way it came.
 */
int pod_spec(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	     const Runtime__V1__PodSandboxConfig *pod, struct oci_spec **ret, struct err *e)
	must_check;

#endif

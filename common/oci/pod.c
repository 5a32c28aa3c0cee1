/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a pod that a container is; see pod.h. */
#include "common/oci/pod.h"

#include <string.h>

#include "common/base/mem.h"

static const char *const keys[] = {
	"io.kubernetes.cri.container-type",
	"io.kubernetes.cri-o.ContainerType",
};

enum pod_role pod_role(const struct oci_spec *s)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *type = oci_annotation(s, keys[i]);

		if (type)
			return strcmp(type, "sandbox") == 0 ? POD_SANDBOX : POD_CONTAINER;
	}
	return POD_NONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Paths below a kubelet's directory; see kubelet_path.h. */
#include "shim/storage/kubelet_path.h"

#include <ctype.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define NAME_LENGTH 200 /* of both together; Kubernetes' names have at most 63, uids 36 */

bool kubelet_is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isascii(text[i]) || (!isalnum(text[i]) && text[i] != '-' && text[i] != '.'))
			return false;
	return len > 0;
}

const char *kubelet_below_pod(const char *kubelet_root, const char *path, const char **ret_pod,
			      size_t *ret_len)
{
	static const char pods[] = "pods/";
	const char *pod = path_is_clean(path) ? path_below(kubelet_root, path) : NULL;

	if (!pod || strncmp(pod, pods, strlen(pods)) != 0)
		return NULL;
	*ret_pod = pod + strlen(pods);
	*ret_len = strcspn(*ret_pod, "/");
	return kubelet_is_name(*ret_pod, *ret_len) ? *ret_pod + *ret_len : NULL;
}

char *kubelet_volume_name(const char *kubelet_root, const char *path, const char *plugin)
{
	auto_free char *below = xasprintf("/volumes/kubernetes.io~%s/", plugin);
	const char *pod, *name;
	size_t pod_len;
	const char *rest = kubelet_below_pod(kubelet_root, path, &pod, &pod_len);

	if (!rest || strncmp(rest, below, strlen(below)) != 0)
		return NULL;
	name = rest + strlen(below);
	if (!kubelet_is_name(name, strlen(name)) || pod_len + strlen(name) > NAME_LENGTH)
		return NULL;
	/* Neither has a '_': no two volumes have the same. */
	return xasprintf("%.*s_%s", (int)pod_len, pod, name);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_KUBELET_PATH_H
#define HUSK_SHIM_STORAGE_KUBELET_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"

/*
 * Where a kubelet has what it makes for pods:
 *
 *	<kubelet_root_dir>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>
 *
 * These look at the words of a path alone.
 */

/* Kubernetes' names: what else there may be is not the kubelet's. */
bool kubelet_is_name(const char *text, size_t len);

/*
 * What follows the directory of a pod in `path`, beginning with a slash; the pod's name is *ret_len bytes
 * at *ret_pod. NULL: the path is not below one. All borrowed from `path`.
 */
const char *kubelet_below_pod(const char *kubelet_root, const char *path, const char **ret_pod,
			      size_t *ret_len);

/*
 * A file name for the volume at `path`, made of its pod's name and its own, so that no two volumes have the
 * same; for free(). NULL: the path is no volume of the plugin.
 */
char *kubelet_volume_name(const char *kubelet_root, const char *path, const char *plugin)
	must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_PASSTHROUGH_H
#define HUSK_AGENT_DEVICE_PASSTHROUGH_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * PCI functions of the host that are passed through to the guest (VFIO). Each option is
 * "<host's address>=<PCI path in the guest>"; one with an empty path is passed over with a warning.
 * *pci_map gets "<host's address>=<guest's address>" for each.
 */
struct device_watch;

/* For drivers of the guest's kernel: wait for them, no more. */
int passthrough_to_guest(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			 struct err *e) must_check;

/*
 * For a container: every function is taken by vfio-pci; they must be of one IOMMU group of the guest.
 * *ret_node: the group's, for free(). ERR_INVALID: none, or of several groups.
 */
int passthrough_to_container(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			     char **ret_node, struct err *e) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HOST_DEVICES_H
#define HUSK_AGENT_HOST_DEVICES_H

#include "agent.pb-c.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

struct device_watch;

/*
 * The devices of the host that a container gets (CreateContainerRequest.devices, agent-protocol 4.3 and
 * 4.4): each is waited for, and the specification, which has the host's numbers, gets the guest's: in
 * Linux.Devices by the path in the container, and in Linux.Resources.Devices by the host's numbers. A
 * rule that allows it is added there. With one that is passed through, the guest's character devices
 * below /dev/infiniband come along.
 *
 * *pci_map gets "<host's PCI address>=<guest's>" for each function that is passed through. On failure
 * the specification may be half rewritten. Waits.
 */
int host_devices_add(struct device_watch *w, Grpc__Device *const *device, size_t n,
		     Grpc__Spec *spec, char ***pci_map, struct err *e) must_check;

/*
 * Environment variables PCIDEVICE_… (device plugins write the host's addresses there, as a list or in
 * JSON): each address that the map has becomes the guest's.
 */
void host_devices_map_environment(Grpc__Process *process, char *const *pci_map);

#endif

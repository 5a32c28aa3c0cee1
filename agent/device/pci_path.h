/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_PCI_PATH_H
#define HUSK_AGENT_DEVICE_PCI_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Where a device is on the guest's PCI buses, as the host that put it there can know: the slots of the
 * bridges from the root down, in hex, joined by slashes ("02/03"; a function as "02.1"). The bus
 * numbers in between are the guest's own. Three or more elements with the first from 20 on: that one
 * is the number of a root complex (pxb-pcie). agent-protocol 4.5.
 */
#define PCI_PATH_DEPTH_MAX 16u

struct pci_function {
	uint8_t slot;     /* up to 0x1f */
	uint8_t function; /* up to 7 */
};

struct pci_path {
	uint8_t root; /* complex; 0 unless the path says */
	size_t n;     /* elements, at least 1 */
	struct pci_function element[PCI_PATH_DEPTH_MAX];
};

int pci_path_parse(const char *text, struct pci_path *ret, struct err *e) must_check;

/*
 * The device's path below `sys` ("/devices/pci0000:00/0000:00:02.0/0000:01:03.0"), for free(). The
 * device itself need not be there yet; ERR_NOT_FOUND while a bridge above it is not.
 */
int pci_path_resolve(const char *sys, const struct pci_path *p, char **ret, struct err *e)
	must_check;

/* An address "dddd:bb:dd.f" (domain, bus, device, function; hex). ERR_INVALID for anything else. */
int pci_address_check(const char *text, struct err *e) must_check;

#endif

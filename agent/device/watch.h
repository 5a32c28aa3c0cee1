/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_WATCH_H
#define HUSK_AGENT_DEVICE_WATCH_H

#include <stddef.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The guest's devices as they come and go. Who needs one that the host has plugged, or is about to,
 * waits for it here by what the host knows of it: first sysfs is looked at, then what the kernel has
 * announced, then the next announcement is waited for. A node in /dev that the kernel makes late is
 * waited for as well, and a lost announcement costs a moment, because sysfs is looked at again.
 *
 * Every wait ends with the caller's deadline or the hot-plug timeout, whichever is first, with
 * ERR_TIMEOUT and the device's name in the text.
 */
struct device_watch;

/* `sys` and `dev` are /sys and /dev; tests have trees of their own. `timeout_ms`: agent.hotplug_timeout;
 * the time in which the machine stood still is not counted. */
struct device_watch *device_watch_new(const char *sys, const char *dev, int64_t timeout_ms);
void device_watch_free(struct device_watch *w);

/*
 * Open the socket now, so that nothing that happens from here on is missed; device_watch_run(), a
 * fiber_fn, then reads from it until it is cancelled.
 */
int device_watch_open(struct device_watch *w, struct err *e) must_check;
void device_watch_run(void *watch);

/* One message of the kernel. What is none of its forms is ignored. New memory is taken into use, in a fiber. */
void device_watch_feed(struct device_watch *w, const char *message, size_t len);

const char *device_watch_sys(const struct device_watch *w); /* borrowed */
const char *device_watch_dev(const struct device_watch *w);

/* Disks: *ret_node is the path of the node, which is there; for free(). */
int device_wait_blk(struct device_watch *w, const char *pci_path, struct deadline d,
		    char **ret_node, struct err *e) must_check;
/* By the kernel's name of it, "/dev/vda" or "/dev/pmem0". */
int device_wait_node(struct device_watch *w, const char *node, struct deadline d, char **ret_node,
		     struct err *e) must_check;
/* "<id>:<lun>", decimal; every SCSI host is asked to look for it first. */
int device_wait_scsi(struct device_watch *w, const char *address, struct deadline d,
		     char **ret_node, struct err *e) must_check;
int device_wait_blk_ccw(struct device_watch *w, const char *id, struct deadline d, char **ret_node,
			struct err *e) must_check;

/* Network, by PCI path or, where there are channels, by id ("0.0.0005"): *ret_name is the interface's, for free(). */
int device_wait_net(struct device_watch *w, const char *place, struct deadline d, char **ret_name,
		    struct err *e) must_check;

/* A PCI function: *ret_address is "dddd:bb:dd.f", for free(). */
int device_wait_pci(struct device_watch *w, const char *pci_path, struct deadline d,
		    char **ret_address, struct err *e) must_check;

/* The node of an IOMMU group, "/dev/vfio/<group>". */
int device_wait_vfio(struct device_watch *w, const char *group, struct deadline d, char **ret_node,
		     struct err *e) must_check;

#endif

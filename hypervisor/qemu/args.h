/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_ARGS_H
#define HUSK_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "config/config.h"
#include "config/sizing.h"
#include "hypervisor/device.h"

/*
 * QEMU's command line, and the guest kernel's, from what was configured and what was chosen for
 * this host: strings in, strings out. Nothing is opened or looked up here.
 */

/* Descriptors that QEMU is born with; which of them are used follows from struct qemu_choices. */
enum qemu_fd {
	QEMU_FD_QMP = 3, /* socket pair: the monitor */
	QEMU_FD_CONSOLE, /* socket pair: the guest's console */
	QEMU_FD_AGENT,   /* vsock: /dev/vhost-vsock; hybrid: vhost-user; serial: socket pair */
	QEMU_FD_FS,      /* vhost-user, to virtiofsd */
	QEMU_FD_DEBUG,   /* listening socket: debug console */
	QEMU_FD_NICS, /* the first of: for each NIC, its taps, then its /dev/vhost-net, or its socket */
};

struct qemu_choices {
	const char *sandbox_id;
	const char *kernel, *initrd;     /* paths */
	const char *firmware;            /* path; "": QEMU's own */
	enum config_accel accel;         /* not AUTO */
	enum config_transport transport; /* not AUTO */
	struct sizing size;              /* no zero in it but for slots */
	uint32_t guest_cid;              /* vsock */
	uint32_t tsc_khz;                /* of an emulated processor; 0: the guest measures it */
	bool share;                      /* virtio-fs */
	bool debug_console;
	bool agent_listens;        /* serial: QEMU_FD_AGENT is a listening socket */
	const struct hv_nic *nics; /* the descriptors in them do not matter */
	size_t n_nics;
	bool passt; /* a NIC of the kind "user" is connected to passt; else QEMU does that itself */
};

/* The slot on the root bus of the first NIC; the others follow. Below are QEMU's own choices. */
#define QEMU_NIC_SLOT 0x10u

/* The port of the debug console, in the guest under /sys/class/virtio-ports. */
#define QEMU_DEBUG_CONSOLE_NAME "husk.console"

/* Devices are on a channel subsystem, not PCI: s390x. */
bool qemu_has_channels(const struct config *c);

/* The guest's memory is in files that other processes map: virtiofsd, vhost-device-vsock, a switch. */
bool qemu_memory_shared(const struct qemu_choices *q);

/* NULL-terminated, for strv_free(). */
char **qemu_args(const struct qemu_choices *q, const struct config *c) must_check;

/* The guest kernel's, as in -append. For free(). */
char *qemu_kernel_command_line(const struct qemu_choices *q, const struct config *c) must_check;

#endif

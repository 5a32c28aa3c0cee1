/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_H
#define HUSK_HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/async/fiber.h"
#include "common/base/undo.h"
#include "common/net/transport.h"
#include "config/config.h"
#include "config/sizing.h"
#include "hypervisor/device.h"

/*
 * One virtual machine, whatever runs it. Drivers are rows of one table, found by the name used in
 * the configuration; each is a set of operations with typed arguments and a mask of what it can do.
 */

struct hv;

enum hv_cap {
	HV_CAP_FS_SHARE = 1 << 0,
	HV_CAP_DISK_HOTPLUG = 1 << 1,
	HV_CAP_NET_HOTPLUG = 1 << 2,
	HV_CAP_PAUSE = 1 << 3,
	HV_CAP_DISK_CONCAT = 1 << 4, /* one disk of several extents, see hypervisor/device.h */
};

struct hv_spec {
	const char *id;              /* of the sandbox; valid, see common/base/id.h */
	const struct config *config; /* outlives the VM */
	struct sizing size;          /* a zero: the configuration's default, and no growing */
	const char *run_dir;         /* exists, ours alone; sockets and the like go there */
	const char
		*share_dir; /* exported through virtio-fs with tag HV_SHARE_TAG; NULL: no share */
	int netns_fd;       /* the VMM runs in it; -1: a new, empty one */

	/*
	 * Borrowed until hv_start() returns; see hv_nic_address(). They stay as long as the machine: they are on
	 * QEMU's root bus, which lets nothing go, so that the few root ports are there for what comes later.
	 */
	const struct hv_nic *nics;
	size_t n_nics; /* at most HV_NICS_MAX */

	/*
	 * A file with one cgroup directory a line (v2, or one for each v1 hierarchy): the VMM and its
	 * helpers put themselves into every one (write "0" to <line>/cgroup.procs) before their exec, so
	 * that no memory is charged elsewhere. NULL: they stay in ours.
	 */
	const char *cgroup;

	/*
	 * A serial port alone: the agent is reached by whoever connects to a socket in run_dir, one after the
	 * other, and not over one stream that is there before the VMM is. For tests.
	 */
	bool agent_listens;
};

#define HV_SHARE_TAG "kataShared" /* the name that Kata agents know the share by */

/*
 * What one VMM has to be able to do. Each function that acquires something pushes the opposite on
 * `u` before it returns, also when it fails further down; the caller runs or keeps the stack.
 *
 * plug and unplug are as hypervisor/device.h says, but the generic part has checked what it can and
 * frees the device; the same goes for what hypervisor/size.h is about. NULL: this one cannot.
 */
struct hv_ops {
	const char *name; /* as in the configuration: [hypervisor.<name>] */
	uint32_t caps;    /* enum hv_cap */

	int (*launch)(struct hv *hv, struct undo *u, struct deadline d, struct err *e);
	int (*connect)(struct hv *hv, struct undo *u, struct deadline d, struct err *e);
	int (*boot)(struct hv *hv, struct undo *u, struct deadline d, struct err *e);
	void (*wait_agent_channel)(struct hv *hv, struct deadline d); /* NULL: no need */

	int (*plug_disk)(struct hv *hv, const struct hv_disk *disk, struct deadline d,
			 struct hv_device **ret, struct err *e);
	int (*plug_nic)(struct hv *hv, const struct hv_nic *nic, struct deadline d,
			struct hv_device **ret, struct err *e);
	int (*grow_disk)(struct hv *hv, struct hv_device *dev, uint64_t bytes, struct deadline d,
			 struct err *e); /* NULL: it cannot */
	int (*add_vcpus)(struct hv *hv, uint32_t n, struct deadline d, struct err *e);
	int (*add_memory)(struct hv *hv, uint64_t mib, struct deadline d, struct err *e);
	int (*unplug[HV_DEVICE_KINDS])(struct hv *hv, struct hv_device *dev, struct deadline d,
				       struct err *e);
};

/* NULL and ERR_INVALID that lists the drivers there are; a planned one says that it is not there yet. */
const struct hv_ops *hv_ops_find(const char *name, struct err *e) must_check;

/* launch, connect, boot: undone in full on failure, with the VMM's last words in the error. */
int hv_start(const struct hv_spec *spec, struct deadline d, struct hv **ret, struct err *e)
	must_check;

/* As Interface.devicePath names the NIC with that index in hv_spec.nics to the agent; borrowed. */
const char *hv_nic_address(const struct hv *hv, size_t nic);

/* Ends it (SIGKILL; the guest was asked before) and takes everything back. Idempotent. */
void hv_stop(struct hv *hv);
void hv_free(struct hv *hv);

pid_t hv_pid(const struct hv *hv);
/* Its path, or descriptor, is there until hv_stop(). */
const struct transport_address *hv_agent_address(const struct hv *hv);

/*
 * Before the first connection to the agent: until the channel to it bears one, where a try that comes too
 * early does harm. At most until d; what is wrong then the connection tells.
 */
void hv_wait_agent_channel(struct hv *hv, struct deadline d);

/* Until the VMM or a helper it cannot live without (virtiofsd) has died; *why names it. */
int hv_wait_dead(struct hv *hv, struct deadline d, struct err *why, struct err *e) must_check;

/* The process whose end was the machine's. */
struct hv_dead_process {
	const char *name; /* a literal: "qemu"; NULL: the machine was ended otherwise, or lives */
	pid_t pid;
	int exit_code; /* 128 + signal */
};
struct hv_dead_process hv_dead_process(const struct hv *hv);

/*
 * For `delete` after a crash of the shim: kill the VMM and helpers that run_dir records and that
 * still run (told apart from a stranger with the same pid by their start time), and wait a moment
 * for their end. Idempotent, succeeds when there is nothing. Blocks; not in a fiber.
 */
int hv_clean_up(const char *run_dir, struct err *e) must_check;

/*
 * What the VMM said on stderr and the last lines of the guest's console, as one line of text for
 * err_append(); "" if neither said anything. Borrowed, until the next call.
 */
const char *hv_last_words(struct hv *hv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_DRIVER_H
#define HUSK_HYPERVISOR_DRIVER_H

#include "hypervisor/console.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/process.h"

/* What the drivers and the generic part share. Not for anybody outside hypervisor/. */

/* The first member of what a driver keeps of a device. */
struct hv_device {
	enum hv_device_kind kind;
	const char *driver; /* a literal */
	char *address;
	bool unplugging; /* a call is under way */
	struct hv_device *next;

	/* Frees what is kept of it, the address too. Asks nobody; hv->driver may be gone. */
	void (*free)(struct hv_device *dev);
};

struct hv {
	const struct hv_ops *ops;
	struct hv_spec spec; /* with strings of its own; its size is what the machine has now */
	struct transport_address agent;

	struct hv_process *processes; /* VMM and helpers, newest first; owned by the undo stack */
	pid_t vmm_pid;                /* of one of them; stays after its end */
	struct console console;       /* the guest's */

	char nic_address[HV_NICS_MAX][16]; /* of hv_spec.nics; filled by the driver */
	struct hv_device *devices;         /* plugged in, newest first */
	size_t device_calls;               /* plugging and unplugging under way */
	struct cond device_idle;           /* the last of them ended */

	bool dead;
	struct err why; /* once dead */
	struct hv_dead_process dead_process;
	struct cond died; /* `dead` was set */

	struct undo teardown; /* everything a running VM holds */
	void *driver;         /* the driver's own; freed by an entry of the undo stack */
	struct buf last_words;
};

extern const struct hv_ops hv_qemu_ops;
extern const struct hv_ops hv_clh_ops;
extern const struct hv_ops hv_fake_ops;

/* The machine is as good as gone. The first reason stays. */
void hv_note_death(struct hv *hv, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Bytes of an extent, rounded up to whole sectors. */
#define HV_SECTOR 512u
int hv_extent_length(const struct hv_extent *x, uint64_t *ret, struct err *e) must_check;

/* 1: the disk is one whole file, as it is; 0: it is not. */
int hv_disk_is_file(const struct hv_disk *disk, struct err *e) must_check;

/*
 * Is this error that of a machine that has died? One that met a closed connection is often the first
 * to know; waits a moment for the news.
 */
bool hv_died(struct hv *hv, const struct err *e) must_check;

/* Around every call of a driver's that a running machine is changed by. */
void hv_begin_device_call(struct hv *hv);
void hv_end_device_call(struct hv *hv);

/* Until no fiber is in a call about a device any more; the driver has seen to it that they return. */
void hv_wait_device_calls(struct hv *hv);

/* Descriptors that the VMM gets for it, at most. */
size_t hv_nic_fds(const struct hv_nic *nic) must_check;

/* Not more of them than a driver has room for, all together. */
int hv_check_nics(const struct hv_nic *nics, size_t n, struct err *e) must_check;

/* For hv_free(): what is still plugged in. */
void hv_free_devices(struct hv *hv);

/* "<run_dir>/<name>", for free(). */
char *hv_run_path(const struct hv *hv, const char *name) must_check;

#endif

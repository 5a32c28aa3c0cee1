/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_VSOCK_H
#define HUSK_QEMU_VSOCK_H

#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/undo.h"
#include "config/config.h"

/* The two ways to give the guest a vsock device: the host kernel's, and a process beside QEMU. */
struct hv;
struct qmp;

/* 0 to 2 are taken: hypervisor, local, host (vsock(7)); all ones means any. */
#define VSOCK_CID_MIN 3u
#define VSOCK_CID_MAX 0xfffffffeu

/*
 * Find a context id nobody has: random ones until set_cid(arg, cid) takes one. It answers -1 with
 * EADDRINUSE for a taken one; any other error ends the search.
 */
int vsock_pick_cid(int (*set_cid)(void *arg, uint32_t cid), void *arg, uint32_t *ret, struct err *e)
	must_check;

/* /dev/vhost-vsock with a free context id set. Returns the descriptor, which the caller owns. */
int vsock_open_vhost(uint32_t *ret_cid, struct err *e) must_check;

/*
 * Start vhost-device-vsock for hv. Its directory <run_dir>/vsock, with the socket that
 * hv_agent_address() tells, is removed by the undo stack. *ret_fd: its vhost-user connection, for
 * QEMU; the caller owns it.
 */
int vsock_daemon_start(struct hv *hv, const char *path, struct undo *u, struct deadline d,
		       int *ret_fd, struct err *e) must_check;

/*
 * Until the guest's driver has the device with the id "vsock" in use, or nothing can be learned of that:
 * the deadline, a cancel, a QEMU that has gone or cannot tell. Without this wait 2 of 98 starts with
 * vhost-device-vsock 0.3.0 ended with no answer from an agent that listened, with it none of 302. By when it happened,
 * a daemon that is asked for a connection while QEMU tells it of the rings loses the thread that serves them;
 * nobody has seen it do so.
 */
void vsock_wait_driver(struct qmp *q, struct deadline d);

#endif

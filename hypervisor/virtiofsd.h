/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_VIRTIOFSD_H
#define HUSK_HYPERVISOR_VIRTIOFSD_H

#include "common/async/deadline.h"
#include "common/base/undo.h"
#include "config/config.h"

/*
 * The daemon behind a virtio-fs share. There are two, with the same name and other options: the C
 * one that came with QEMU up to 7.2 (Debian 12: /usr/lib/qemu/virtiofsd) and the Rust one that
 * replaced it (/usr/libexec/virtiofsd). Which one a path is, is asked of it.
 */
struct hv;

enum virtiofsd_kind {
	VIRTIOFSD_C,
	VIRTIOFSD_RUST,
};

/* From what `--version` prints: "virtiofsd version 7.2.22 (…" or "virtiofsd 1.10.0". */
int virtiofsd_kind_of(const char *version, enum virtiofsd_kind *ret, struct err *e) must_check;

/*
 * NULL-terminated, for strv_free(). socket_fd: number, in the daemon, of its listening socket.
 * virtio_fs_extra_args go along as they are, but for `--announce-submounts`, which is always on.
 */
char **virtiofsd_args(enum virtiofsd_kind kind, const char *path, const char *share_dir,
		      int socket_fd, const struct config_hypervisor *c) must_check;

/*
 * Its listening socket, and a connection to it for the VMM: both before it runs, and out of anybody
 * else's reach. The caller owns them.
 */
int virtiofsd_sockets(const struct hv *hv, int *ret_listener, int *ret_connection, struct err *e)
	must_check;

/*
 * Start it for hv->spec.share_dir, confined; `listener` stays the caller's. The VMM may run already: it
 * waits at its connection. The share must be a shared mount (mount_namespaces(7)) for mounts made in
 * it later to reach the guest.
 */
int virtiofsd_start(struct hv *hv, int listener, struct undo *u, struct deadline d, struct err *e)
	must_check;

#endif

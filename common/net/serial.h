/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_SERIAL_H
#define HUSK_NET_SERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/async/io.h"

/*
 * Connections over a virtio-serial port, one at a time.
 *
 * A port is a pipe that both sides may leave and join at any time: bytes that one host connection
 * sent may still be on their way (in the VMM, in the ring, in the guest's driver) when the next one
 * begins, in both directions. So each connection begins with a handshake of text lines:
 *
 *      host                                  guest
 *      "\nHUSK HELLO <nonce>\n"       ->     drops all up to here
 *      drops all up to here          <-      "\nHUSK READY <nonce>\n"
 *      "\nHUSK START <nonce>\n"       ->     drops all up to here
 *      bytes of the connection       <->     bytes of the connection
 *
 *  - <nonce> is 32 hexadecimal digits, random, new for each try of the host. The host takes only the
 *    READY with its own; the guest answers every HELLO with its nonce and takes only the START that
 *    belongs to its last READY. What older tries left behind can so not be taken for this one.
 *  - The leading newline ends whatever half a line lies in front.
 *  - Nothing follows a HELLO or a READY until it was answered, so both may be read in large pieces;
 *    bytes follow a START at once, so while it waits for that one the guest reads byte by byte.
 *  - The guest never speaks first.
 *
 * The host ends a connection by closing its socket: the guest's reads then return 0 once the ring
 * is empty. If the host is back before the guest looked, the guest still serves the old connection
 * and takes the HELLO for part of it. Therefore a host whose HELLO stays without an answer hangs up
 * for a while before it tries again (SERIAL_HANG_UP_MS, growing), and the guest sees the end then.
 *
 * A host may also be at the other end of the VMM's from the start (a socket pair), for one connection
 * that ends with the machine. A VMM keeps what it is sent until the guest opens the port. The guest may
 * lose it even so, if who read it there was started anew: then the next HELLO goes the same way.
 */

#define SERIAL_TRY_MS     3000 /* for an answer to HELLO; a guest that boots answers when it is up */
#define SERIAL_HANG_UP_MS 200
#define SERIAL_AGAIN_MS   1000 /* to the second HELLO on a stream; then twice as long each time */

/* Host. One try; `path`: the unix socket of the VMM's character device. */
struct io *serial_connect(const char *path, struct deadline d, struct err *e) must_check;

/* Host. The one connection over a pair's end; `fd` is borrowed, the connection has a copy of it. */
struct io *serial_connect_stream(int fd, struct deadline d, struct err *e) must_check;

/* The two halves of the handshake, on a stream that is open. */
int serial_handshake_host(struct io *io, struct deadline d, struct err *e) must_check;
int serial_handshake_guest(struct io *io, struct deadline d, struct err *e) must_check;

/* Guest. */
struct serial_listener;

/*
 * `name` as in the VMM's configuration. The port is looked for, and waited for, by the first accept.
 * The directories are SERIAL_SYSFS_DIR and SERIAL_DEV_DIR but in tests; borrowed.
 */
#define SERIAL_SYSFS_DIR "/sys/class/virtio-ports"
#define SERIAL_DEV_DIR   "/dev"
struct serial_listener *serial_listen(const char *name, const char *sysfs_dir, const char *dev_dir);

/* Waits for the connection before it to be freed, then for a host. */
struct io *serial_accept(struct serial_listener *l, struct deadline d, struct err *e) must_check;

/* Its last connection must have been freed. */
void serial_listener_free(struct serial_listener *l);

/* The device of the port with that name, for free(). ERR_NOT_FOUND while there is none. */
int serial_find_port(const char *name, const char *sysfs_dir, const char *dev_dir, char **ret_path,
		     struct err *e) must_check;

#endif

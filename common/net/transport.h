/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_TRANSPORT_H
#define HUSK_NET_TRANSPORT_H

#include <stdint.h>

#include "common/async/io.h"

/*
 * Ways for the host to reach the guest. Whatever the way, the result is a `struct io` that carries
 * one byte stream in each direction.
 *
 *   vsock://CID:PORT         AF_VSOCK; CID -1 listens on any
 *   hvsock://PATH:PORT       hybrid vsock: a unix socket, "CONNECT PORT\n", "OK n\n"; host only
 *   serial://NAME            a virtio-serial port: in the guest by its name (looked up under
 *                            /sys/class/virtio-ports), on the host the chardev's socket by its path
 *   unix://PATH              for tests and debugging
 *
 * and, without a text of its own, a descriptor that is the host's end of a serial port already.
 */
enum transport_kind {
	TRANSPORT_VSOCK,
	TRANSPORT_HVSOCK,
	TRANSPORT_SERIAL,
	TRANSPORT_UNIX,
	TRANSPORT_SERIAL_STREAM, /* bears one connection, see serial.h */
};

#define TRANSPORT_PATH_MAX 4096 /* bytes with the NUL: PATH_MAX, see unix.h */

struct transport_address {
	enum transport_kind kind;
	uint32_t cid, port;
	int fd;                        /* the stream; borrowed from who made the address */
	char path[TRANSPORT_PATH_MAX]; /* of the socket, or the name of the serial port */
};

#define AGENT_PORT        1024u        /* ttrpc; agent-protocol: ports and addresses */
#define AGENT_SERIAL_NAME "husk.agent" /* the virtio-serial port that stands for AGENT_PORT */

const char *transport_kind_name(enum transport_kind kind); /* "vsock", "hybrid vsock", … */
int transport_parse(const char *uri, struct transport_address *ret, struct err *e) must_check;

/*
 * Host: connect, trying again until the guest listens or the deadline comes; the error then says
 * what the last try met. On a serial port this includes getting both sides in step. A stream that has
 * ended is not tried again.
 */
struct io *transport_connect(const struct transport_address *to, struct deadline d, struct err *e)
	must_check;

/* Guest: accept connections, one after the other (a serial port carries one at a time). */
struct transport_listener;
struct transport_listener *transport_listen(const struct transport_address *at, struct err *e)
	must_check;
struct io *transport_accept(struct transport_listener *l, struct deadline d, struct err *e)
	must_check;
void transport_listener_free(struct transport_listener *l);

#endif

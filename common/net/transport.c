/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, and the choice of what is behind them; see transport.h. */
#include "common/net/transport.h"

#include <stdio.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/net/hybrid_vsock.h"
#include "common/net/serial.h"
#include "common/net/unix.h"
#include "common/net/vsock.h"

#define CID_ANY UINT32_MAX /* VMADDR_CID_ANY */

/* A try that gets no answer at all is given up after this, so that one lost request costs no more. */
#define TRY_MS         1000
#define PAUSE_FIRST_MS 2
#define PAUSE_MAX_MS   100
#define HANG_UP_MAX_MS 1600

static const struct {
	const char *scheme, *name;
} kinds[] = {
	[TRANSPORT_VSOCK] = { "vsock://", "vsock" },
	[TRANSPORT_HVSOCK] = { "hvsock://", "hybrid vsock" },
	[TRANSPORT_SERIAL] = { "serial://", "serial port" },
	[TRANSPORT_UNIX] = { "unix://", "unix socket" },
	[TRANSPORT_SERIAL_STREAM] = { NULL, "serial port" },
};

const char *transport_kind_name(enum transport_kind kind)
{
	return kinds[kind].name;
}

/* Ports 0 and 0xffffffff (any) cannot be connected to. */
static bool parse_port(const char *text, uint32_t *ret)
{
	uint32_t port;

	if (!num_u32(text, 10, &port) || port == 0 || port == UINT32_MAX)
		return false;
	*ret = port;
	return true;
}

static bool parse_cid(const char *text, uint32_t *ret)
{
	if (strcmp(text, "-1") == 0) {
		*ret = CID_ANY;
		return true;
	}
	return num_u32(text, 10, ret);
}

/* False: too long, or empty. */
static bool copy_path(const char *text, size_t len, struct transport_address *a)
{
	if (len == 0 || len >= sizeof(a->path))
		return false;
	memcpy(a->path, text, len);
	a->path[len] = '\0';
	return true;
}

static bool parse_rest(const char *rest, struct transport_address *a)
{
	const char *colon = strrchr(rest, ':');
	char cid[16];

	switch (a->kind) {
	case TRANSPORT_VSOCK:
		if (!colon || (size_t)(colon - rest) >= sizeof(cid))
			return false;
		memcpy(cid, rest, (size_t)(colon - rest));
		cid[colon - rest] = '\0';
		return parse_cid(cid, &a->cid) && parse_port(colon + 1, &a->port);
	case TRANSPORT_HVSOCK:
		/* The Rust host of Kata leaves the port out. */
		a->port = AGENT_PORT;
		if (!colon)
			return copy_path(rest, strlen(rest), a);
		return copy_path(rest, (size_t)(colon - rest), a) &&
		       parse_port(colon + 1, &a->port);
	case TRANSPORT_SERIAL:
	case TRANSPORT_UNIX:
		return copy_path(rest, strlen(rest), a);
	case TRANSPORT_SERIAL_STREAM:
		break;
	}
	return false;
}

int transport_parse(const char *uri, struct transport_address *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct transport_address a = { .kind = (enum transport_kind)i };
		size_t len = kinds[i].scheme ? strlen(kinds[i].scheme) : 0;

		if (len == 0 || strncmp(uri, kinds[i].scheme, len) != 0)
			continue;
		if (!parse_rest(uri + len, &a))
			break;
		*ret = a;
		return 0;
	}
	return err_set(
		e, ERR_INVALID,
		"'%.200s' is no address: vsock://CID:PORT, hvsock://PATH:PORT, serial://NAME or "
		"unix://PATH (paths up to %d bytes)",
		uri, TRANSPORT_PATH_MAX - 1);
}

static struct io *connect_once(const struct transport_address *to, struct deadline d, struct err *e)
{
	struct deadline limit = deadline_min(d, deadline_in_ms(TRY_MS));

	switch (to->kind) {
	case TRANSPORT_VSOCK:
		return vsock_connect(to->cid, to->port, limit, e);
	case TRANSPORT_HVSOCK:
		return hybrid_vsock_connect(to->path, to->port, limit, e);
	case TRANSPORT_SERIAL:
		limit = deadline_min(d, deadline_in_ms(SERIAL_TRY_MS));
		return serial_connect(to->path, limit, e);
	case TRANSPORT_UNIX:
		return unix_connect(to->path, limit, e);
	case TRANSPORT_SERIAL_STREAM:
		return serial_connect_stream(to->fd, d, e);
	}
	err_set(e, ERR_INTERNAL, "unknown kind of transport");
	return NULL;
}

/* What can change while a VM boots: its socket appears, its agent begins to listen. */
static bool worth_another_try(const struct transport_address *to, const struct err *e)
{
	if (to->kind == TRANSPORT_SERIAL_STREAM)
		return e->code == ERR_TIMEOUT;
	return e->code == ERR_UNAVAILABLE || e->code == ERR_NOT_FOUND || e->code == ERR_TIMEOUT;
}

struct io *transport_connect(const struct transport_address *to, struct deadline d, struct err *e)
{
	int64_t pause_ms = PAUSE_FIRST_MS, hang_up_ms = SERIAL_HANG_UP_MS;
	int64_t began_ms = clock_now_ms();

	for (;;) {
		struct err last = ERR_INIT;
		struct io *io = connect_once(to, d, &last);
		int64_t wait_ms = pause_ms;

		if (io)
			return io;
		if (to->kind == TRANSPORT_SERIAL && last.code == ERR_TIMEOUT) {
			wait_ms = hang_up_ms;
			hang_up_ms =
				hang_up_ms * 2 < HANG_UP_MAX_MS ? hang_up_ms * 2 : HANG_UP_MAX_MS;
		} else {
			pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
		}
		if (!worth_another_try(to, &last)) {
			*e = last;
			err_wrap(e, "%s", transport_kind_name(to->kind));
			return NULL;
		}
		if (deadline_left_ms(d) <= wait_ms) {
			err_set(e, ERR_TIMEOUT, "%s: no connection in %lld ms: %s",
				transport_kind_name(to->kind),
				(long long)(clock_now_ms() - began_ms), last.text);
			return NULL;
		}
		if (fiber_sleep_ms(wait_ms, e) < 0)
			return NULL;
	}
}

struct transport_listener {
	struct transport_address at;
	struct io *io;                  /* a listening socket */
	struct serial_listener *serial; /* or this */
};

struct transport_listener *transport_listen(const struct transport_address *at, struct err *e)
{
	struct transport_listener *l = xnew(struct transport_listener);
	int fd = -1;

	l->at = *at;
	switch (at->kind) {
	case TRANSPORT_VSOCK:
		fd = vsock_listen(at->cid, at->port, e);
		break;
	case TRANSPORT_UNIX:
		fd = unix_listen(at->path, e);
		break;
	case TRANSPORT_SERIAL:
		l->serial = serial_listen(at->path, SERIAL_SYSFS_DIR, SERIAL_DEV_DIR);
		return l;
	case TRANSPORT_HVSOCK:
		err_set(e, ERR_INVALID, "hybrid vsock is listened on as vsock, inside the guest");
		break;
	case TRANSPORT_SERIAL_STREAM:
		err_set(e, ERR_INVALID, "a stream is connected already");
		break;
	}
	if (fd >= 0)
		l->io = io_consume(fd, e);
	if (!l->io) {
		free(l);
		return NULL;
	}
	return l;
}

struct io *transport_accept(struct transport_listener *l, struct deadline d, struct err *e)
{
	int fd;

	if (l->serial)
		return serial_accept(l->serial, d, e);
	fd = io_accept(l->io, d, e);
	return fd < 0 ? NULL : io_consume(fd, e);
}

void transport_listener_free(struct transport_listener *l)
{
	if (!l)
		return;
	if (l->io && l->at.kind == TRANSPORT_UNIX)
		(void)unlink(l->at.path);
	io_free(l->io);
	serial_listener_free(l->serial);
	free(l);
}

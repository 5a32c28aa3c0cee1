/* SPDX-License-Identifier: Apache-2.0 */
/* One connection at a time over a virtio-serial port; see serial.h. */
#include "common/net/serial.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/net/line.h"
#include "common/net/unix.h"

#define NONCE_BYTES      16u
#define NONCE_LEN        (2u * NONCE_BYTES)
#define WORD_LEN         11u /* "HUSK HELLO " and the others */
#define READ_CHUNK       4096u
#define PORT_POLL_MS     10 /* for the port to appear when the guest boots */
#define HOST_POLL_MS     5  /* for the host to connect: the port cannot be waited on then */
#define HOST_POLL_MAX_MS 50

static const char hello[] = "HUSK HELLO ";
static const char ready[] = "HUSK READY ";
static const char start[] = "HUSK START ";

/* The nonce of a line that begins with `word` and is well formed, else NULL. */
static const char *nonce_of(const struct line *l, const char *word)
{
	if (l->len != WORD_LEN + NONCE_LEN || memcmp(l->text, word, WORD_LEN) != 0)
		return NULL;
	return strspn(l->text + WORD_LEN, "0123456789abcdef") == NONCE_LEN ? l->text + WORD_LEN
									   : NULL;
}

static int send_line(struct io *io, const char *word, const char *nonce, struct deadline d,
		     struct err *e)
{
	char text[1 + WORD_LEN + NONCE_LEN + 1 + 1];
	int len = snprintf(text, sizeof(text), "\n%s%s\n", word, nonce);

	assert((size_t)len == sizeof(text) - 1);
	return io_write(io, text, (size_t)len, d, e);
}

static int nonce_make(char out[static NONCE_LEN + 1], struct err *e)
{
	uint8_t bytes[NONCE_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(e, errno, "get random bytes");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int serial_handshake_host(struct io *io, struct deadline d, struct err *e)
{
	char nonce[NONCE_LEN + 1], buf[READ_CHUNK];
	struct line l = LINE_INIT;

	if (nonce_make(nonce, e) < 0 || send_line(io, hello, nonce, d, e) < 0)
		return -1;
	for (;;) {
		ssize_t n = io_read(io, buf, sizeof(buf), d, e);

		if (n < 0)
			return err_wrap(e, "the agent's side of the serial port");
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE, "the VMM closed the serial port");
		/* A guest that never stops is never waited for. */
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "the guest's side answers something else");
		for (ssize_t i = 0; i < n; i++) {
			const char *got;

			if (line_add(&l, buf[i]) != LINE_DONE)
				continue;
			got = nonce_of(&l, ready);
			if (got && memcmp(got, nonce, NONCE_LEN) == 0)
				return send_line(io, start, nonce, d, e);
			line_restart(&l);
		}
	}
}

struct io *serial_connect(const char *path, struct deadline d, struct err *e)
{
	auto_io struct io *io = unix_connect(path, d, e);

	if (!io)
		return NULL;
	if (serial_handshake_host(io, d, e) < 0) {
		err_wrap(e, "'%s'", path);
		return NULL;
	}
	return take_ptr(io);
}

struct io *serial_connect_stream(int fd, struct deadline d, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	auto_io struct io *io = NULL;

	if (copy < 0) {
		err_sys(e, errno, "copy the descriptor of the serial port");
		return NULL;
	}
	io = io_consume(copy, e);
	if (!io)
		return NULL;
	for (int64_t again_ms = SERIAL_AGAIN_MS;; again_ms *= 2) {
		struct deadline limit = deadline_min(d, deadline_in_ms(again_ms));

		if (serial_handshake_host(io, limit, e) == 0)
			return take_ptr(io);
		if (e->code != ERR_TIMEOUT || deadline_passed(d))
			return NULL;
	}
}

/* Where the guest stands: which nonce it answered last, "" for none. */
struct guest_side {
	struct line line;
	char answered[NONCE_LEN + 1];
};

/*
 * Look at what was read; 1: started. A START counts only if the READY before it had been sent when it
 * was read (`byte_wise`); one that comes in the same piece as its HELLO is left from an older
 * connection. Of several HELLOs in a piece only the last is waited for by anybody.
 */
static int guest_bytes(struct guest_side *g, const char *buf, size_t n, bool byte_wise,
		       struct io *io, struct deadline d, struct err *e)
{
	bool answer = false;

	for (size_t i = 0; i < n; i++) {
		const char *nonce;

		if (line_add(&g->line, buf[i]) != LINE_DONE)
			continue;
		nonce = nonce_of(&g->line, start);
		if (nonce && byte_wise && memcmp(nonce, g->answered, NONCE_LEN) == 0)
			return 1;
		nonce = nonce_of(&g->line, hello);
		if (nonce) {
			memcpy(g->answered, nonce, NONCE_LEN);
			answer = true;
		}
		line_restart(&g->line);
	}
	return answer ? send_line(io, ready, g->answered, d, e) : 0;
}

/* No host is connected: that reads as end of file and polls as ready, so there is only polling. */
static int pause_for_host(int64_t *pause_ms, struct deadline d, struct err *e)
{
	if (deadline_passed(d))
		return err_set(e, ERR_TIMEOUT, "no host connected");
	if (fiber_sleep_until(deadline_min(d, deadline_in_ms(*pause_ms)), e) < 0)
		return -1;
	*pause_ms = *pause_ms * 2 < HOST_POLL_MAX_MS ? *pause_ms * 2 : HOST_POLL_MAX_MS;
	return 0;
}

int serial_handshake_guest(struct io *io, struct deadline d, struct err *e)
{
	struct guest_side g = { .line = LINE_INIT };
	int64_t pause_ms = HOST_POLL_MS;
	char buf[READ_CHUNK];
	int r = 0;

	while (r == 0) {
		bool byte_wise = g.answered[0] != '\0';
		ssize_t n = io_read(io, buf, byte_wise ? 1 : sizeof(buf), d, e);

		if (n < 0)
			return -1;
		if (n == 0) {
			g = (struct guest_side){ .line = LINE_INIT };
			r = pause_for_host(&pause_ms, d, e);
		} else {
			pause_ms = HOST_POLL_MS;
			r = guest_bytes(&g, buf, (size_t)n, byte_wise, io, d, e);
		}
	}
	return r < 0 ? -1 : 0;
}

int serial_find_port(const char *name, const char *sysfs_dir, const char *dev_dir, char **ret_path,
		     struct err *e)
{
	DIR *dir = opendir(sysfs_dir);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return err_sys(e, errno, "open '%s'", sysfs_dir);
	while (!found && (entry = readdir(dir))) {
		auto_free char *path = xasprintf("%s/name", entry->d_name);
		struct err ignored = ERR_INIT; /* a port without a name has no such file */
		auto_free char *got = NULL;

		if (entry->d_name[0] == '.' ||
		    file_read_line(dirfd(dir), path, &got, &ignored) < 0 || strcmp(got, name) != 0)
			continue;
		*ret_path = xasprintf("%s/%s", dev_dir, entry->d_name);
		found = true;
	}
	(void)closedir(dir);
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no virtio-serial port '%s'", name);
	return 0;
}

struct serial_listener {
	char *name;
	const char *sysfs_dir, *dev_dir;
	struct io *port; /* open from the first accept on: closing it would drop what is in it */
	bool lent;       /* a connection exists */
	struct cond returned;
};

struct serial_listener *serial_listen(const char *name, const char *sysfs_dir, const char *dev_dir)
{
	struct serial_listener *l = xnew(struct serial_listener);

	l->name = xstrdup(name);
	l->sysfs_dir = sysfs_dir;
	l->dev_dir = dev_dir;
	return l;
}

void serial_listener_free(struct serial_listener *l)
{
	if (!l)
		return;
	assert(!l->lent);
	io_free(l->port);
	free(l->name);
	free(l);
}

static int open_once(struct serial_listener *l, struct err *e)
{
	auto_free char *path = NULL;
	int fd;

	if (serial_find_port(l->name, l->sysfs_dir, l->dev_dir, &path, e) < 0)
		return -1;
	fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	l->port = io_consume(fd, e);
	return l->port ? 0 : -1;
}

/* The driver's directory, the port's entry and its device node come one after the other at boot. */
static int open_port(struct serial_listener *l, struct deadline d, struct err *e)
{
	for (;;) {
		struct err last = ERR_INIT;

		if (open_once(l, &last) == 0)
			return 0;
		if (last.code != ERR_NOT_FOUND || deadline_passed(d)) {
			*e = last;
			return -1;
		}
		if (fiber_sleep_ms(PORT_POLL_MS, e) < 0)
			return -1;
	}
}

static void on_connection_freed(void *arg)
{
	struct serial_listener *l = arg;

	l->lent = false;
	cond_wake_all(&l->returned);
}

struct io *serial_accept(struct serial_listener *l, struct deadline d, struct err *e)
{
	struct io *io;
	int fd;

	while (l->lent)
		if (cond_wait(&l->returned, d, e) < 0)
			return NULL;
	if (!l->port && open_port(l, d, e) < 0)
		return NULL;
	if (serial_handshake_guest(l->port, d, e) < 0) {
		err_wrap(e, "serial port '%s'", l->name);
		return NULL;
	}
	fd = fcntl(io_fd(l->port), F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		err_sys(e, errno, "serial port '%s'", l->name);
		return NULL;
	}
	io = io_consume(fd, e);
	if (!io)
		return NULL;
	io_on_free(io, on_connection_freed, l);
	l->lent = true;
	return io;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to QEMU's monitor; see qmp.h.
 *
 * One fiber reads lines and hands answers to the commands that wait for them, found by id in a list
 * of slots. A slot lives on the stack of the fiber that called; leaving early takes it off the list,
 * and an answer without a slot is dropped.
 */
#include "hypervisor/qemu/qmp.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "hypervisor/qemu/qmp_message.h"

#define READ_CHUNK 8192u /* bytes */

struct slot {
	uint64_t id;
	bool answered;
	struct qmp_message answer; /* once answered */
	struct cond changed;
	struct slot *next;
};

struct watcher {
	const char *event;
	void (*fn)(const char *event, const struct json *data, void *arg);
	void *arg;
};

struct qmp {
	struct io *io;
	struct fiber_group reader;
	struct buf in;
	size_t looked; /* bytes of `in` that hold no newline */

	bool greeted;
	struct cond greeting; /* `greeted` or `lost` was set */

	bool lost;
	struct err why; /* once lost */

	uint64_t last_id;
	struct slot *slots;

	bool writing; /* one fiber at a time */
	struct cond written;

	struct watcher watchers[QMP_WATCHERS_MAX];
	size_t n_watchers;
	struct cond event; /* one was delivered, or `lost` was set */
};

static void lose(struct qmp *q, const struct err *why)
{
	if (q->lost)
		return;
	q->lost = true;
	q->why = *why;
	q->why.code = ERR_UNAVAILABLE;
	io_shutdown(q->io);
	cond_wake_all(&q->greeting);
	cond_wake_all(&q->written);
	cond_wake_all(&q->event);
	for (struct slot *s = q->slots; s; s = s->next)
		cond_wake_all(&s->changed);
}

static int lost(const struct qmp *q, struct err *e)
{
	*e = q->why;
	return -1;
}

static void answer(struct qmp *q, struct qmp_message *m)
{
	for (struct slot *s = q->slots; s; s = s->next) {
		if (!m->has_id || s->id != m->id || s->answered)
			continue;
		s->answer = *m;
		s->answered = true;
		*m = (struct qmp_message){ 0 };
		cond_wake_all(&s->changed);
		return;
	}
	log_debug("QMP: an answer to nobody: %s", m->kind == QMP_ERROR ? m->text : "return");
}

static void deliver(struct qmp *q, const struct qmp_message *m)
{
	for (size_t i = 0; i < q->n_watchers; i++)
		if (!q->watchers[i].event || strcmp(q->watchers[i].event, m->name) == 0)
			q->watchers[i].fn(m->name, m->data, q->watchers[i].arg);
	cond_wake_all(&q->event);
}

static int take_line(struct qmp *q, const char *line, size_t len, struct err *e)
{
	struct qmp_message m;

	if (len > 0 && line[len - 1] == '\r') /* QEMU ends its lines with both */
		len--;
	if (len == 0)
		return 0;
	if (qmp_message_parse(line, len, &m, e) < 0)
		return -1;
	switch (m.kind) {
	case QMP_GREETING:
		q->greeted = true;
		cond_wake_all(&q->greeting);
		break;
	case QMP_EVENT:
		deliver(q, &m);
		break;
	case QMP_RETURN:
	case QMP_ERROR:
		answer(q, &m);
		break;
	}
	qmp_message_done(&m);
	return 0;
}

/* Every whole line in the buffer. */
static int take_lines(struct qmp *q, struct err *e)
{
	const char *newline;
	size_t done = 0;

	while ((newline = memchr(q->in.data + q->looked, '\n', q->in.len - q->looked))) {
		size_t end = (size_t)(newline - q->in.data);

		if (take_line(q, q->in.data + done, end - done, e) < 0)
			return -1;
		done = end + 1;
		q->looked = done;
	}
	buf_drop_front(&q->in, done);
	q->looked = q->in.len;
	if (q->in.len > QMP_LINE_MAX)
		return err_set(e, ERR_UNAVAILABLE, "QMP: a line of more than %u bytes",
			       QMP_LINE_MAX);
	return 0;
}

static void read_lines(void *arg)
{
	struct qmp *q = arg;
	struct err e = ERR_INIT;

	for (;;) {
		char *room = buf_reserve(&q->in, READ_CHUNK);
		ssize_t n = io_read(q->io, room, READ_CHUNK, DEADLINE_NEVER, &e);

		if (n == 0)
			(void)err_set(&e, ERR_UNAVAILABLE, "QEMU closed its monitor");
		if (n <= 0)
			break;
		q->in.len += (size_t)n;
		if (take_lines(q, &e) < 0)
			break;
	}
	lose(q, &e);
}

struct qmp *qmp_new_consume(int fd, struct err *e)
{
	struct io *io = io_consume(fd, e);
	struct qmp *q;

	if (!io)
		return NULL;
	q = xnew(struct qmp);
	q->io = io;
	fiber_group_start(&q->reader, "qmp reader", read_lines, q);
	return q;
}

void qmp_shutdown(struct qmp *q)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, ERR_UNAVAILABLE, "the connection to QEMU's monitor was shut down");
	lose(q, &e);
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	assert(!q->slots);
	qmp_shutdown(q);
	fiber_group_wait(&q->reader);
	io_free(q->io);
	buf_done(&q->in);
	free(q);
}

void qmp_watch(struct qmp *q, const char *event,
	       void (*fn)(const char *event, const struct json *data, void *arg), void *arg)
{
	assert(q->n_watchers < QMP_WATCHERS_MAX);
	q->watchers[q->n_watchers++] = (struct watcher){ .event = event, .fn = fn, .arg = arg };
}

int qmp_wait_event(struct qmp *q, struct deadline d, struct err *e)
{
	if (q->lost)
		return lost(q, e);
	return cond_wait(&q->event, d, e);
}

/* The first byte takes the descriptor along (unix(7)); the rest is an ordinary write. */
static ssize_t send_with_fd(struct qmp *q, const char *text, size_t len, int fd, struct deadline d,
			    struct err *e)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	for (;;) {
		ssize_t n = sendmsg(io_fd(q->io), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			return n;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return err_sys(e, errno, "send a descriptor");
		if (io_wait_writable(q->io, d, e) < 0)
			return -1;
	}
}

static int write_command(struct qmp *q, const char *text, size_t len, int fd, struct deadline d,
			 struct err *e)
{
	ssize_t sent = 0;

	if (fd >= 0)
		sent = send_with_fd(q, text, len, fd, d, e);
	if (sent < 0)
		return -1;
	return io_write(q->io, text + sent, len - (size_t)sent, d, e);
}

/* One writer at a time; half a command on the wire is the end of the connection. */
static int send_command(struct qmp *q, const char *text, int fd, struct deadline d, struct err *e)
{
	int r;

	while (q->writing && !q->lost)
		if (cond_wait(&q->written, d, e) < 0)
			return -1;
	if (q->lost)
		return lost(q, e);
	q->writing = true;
	r = write_command(q, text, strlen(text), fd, d, e);
	q->writing = false;
	cond_wake_one(&q->written);
	if (r < 0)
		lose(q, e);
	return r;
}

static int await_answer(struct qmp *q, struct slot *s, struct deadline d, struct err *e)
{
	while (!s->answered) {
		if (q->lost)
			return lost(q, e);
		if (cond_wait(&s->changed, d, e) < 0)
			return -1;
	}
	return 0;
}

static void drop_slot(struct qmp *q, struct slot *s)
{
	struct slot **at = &q->slots;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

static int read_answer(struct slot *s, struct json **ret_root, const struct json **ret,
		       struct err *e)
{
	if (s->answer.kind == QMP_ERROR)
		return err_set(e,
			       strcmp(s->answer.name, "DeviceNotFound") == 0 ? ERR_NOT_FOUND
									     : ERR_INTERNAL,
			       "%s", s->answer.text);
	if (ret)
		*ret = s->answer.data;
	if (ret_root)
		*ret_root = take_ptr(s->answer.root);
	return 0;
}

int qmp_call(struct qmp *q, const char *command, const char *arguments, int fd, struct deadline d,
	     struct json **ret_root, const struct json **ret, struct err *e)
{
	struct slot slot = { .id = ++q->last_id, .next = q->slots };
	auto_free char *text = qmp_command_text(slot.id, command, arguments);
	int r;

	assert(!ret || ret_root); /* what *ret points to needs an owner */
	q->slots = &slot;
	r = send_command(q, text, fd, d, e);
	if (r == 0)
		r = await_answer(q, &slot, d, e);
	drop_slot(q, &slot);
	if (r == 0)
		r = read_answer(&slot, ret_root, ret, e);
	qmp_message_done(&slot.answer);
	return r < 0 ? err_wrap(e, "QMP %s", command) : 0;
}

int qmp_handshake(struct qmp *q, struct deadline d, struct err *e)
{
	while (!q->greeted) {
		if (q->lost)
			return lost(q, e);
		if (cond_wait(&q->greeting, d, e) < 0)
			return err_wrap(e, "wait for QEMU's greeting");
	}
	return qmp_call(q, "qmp_capabilities", NULL, -1, d, NULL, NULL, e);
}

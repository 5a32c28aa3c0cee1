/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The QMP client against a scripted QEMU on a socket pair. A script is a list of lines:
 *
 *	"> text"   QEMU says this line
 *	"< text"   QEMU waits for a line that contains this
 *	"= text"   QEMU says this, without a newline
 *	NULL       QEMU closes the connection, unless `stays`
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/mem.h"
#include "hypervisor/qemu/qmp.h"
#include "hypervisor/qemu/qmp_message.h"

#define GREETING "> {\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}"
#define HELLO    GREETING, "< qmp_capabilities", "> {\"return\": {}, \"id\": 1}"
#define EVENT                                                                            \
	"> {\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\", " \
	"\"data\": {\"reason\": \"x\"}}"

struct conversation {
	const char *name;
	const char *script[10];
	bool stays;         /* after the script */
	enum err_code want; /* of the handshake or the command; ERR_NONE: both succeed */
	const char *part;   /* of the error, or of the returned string */
	int events;
};

static const struct conversation conversations[] = {
	{ "answer",
	  { HELLO, "< \"execute\":\"query\"", "> {\"return\": \"yes\", \"id\": 2}" },
	  true,
	  ERR_NONE,
	  "yes",
	  0 },
	{ "carriage returns",
	  { HELLO, "< query", "> {\"return\": \"yes\", \"id\": 2}\r" },
	  true,
	  ERR_NONE,
	  "yes",
	  0 },
	{ "events in between",
	  { GREETING, EVENT, "< qmp_capabilities", EVENT, "> {\"return\": {}, \"id\": 1}",
	    "< query", EVENT, "> {\"return\": \"yes\", \"id\": 2}" },
	  true,
	  ERR_NONE,
	  "yes",
	  3 },
	{ "another's answer first",
	  { HELLO, "< query", "> {\"return\": \"no\", \"id\": 99}",
	    "> {\"return\": \"yes\", \"id\": 2}" },
	  true,
	  ERR_NONE,
	  "yes",
	  0 },
	{ "refused",
	  { HELLO, "< query",
	    "> {\"error\": {\"class\": \"GenericError\", \"desc\": \"no disk\"}, \"id\": 2}" },
	  true,
	  ERR_INTERNAL,
	  "QMP query: no disk",
	  0 },
	{ "no such device",
	  { HELLO, "< query",
	    "> {\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"no v1\"}, \"id\": 2}" },
	  true,
	  ERR_NOT_FOUND,
	  "no v1",
	  0 },
	{ "capabilities refused",
	  { GREETING, "< qmp_capabilities",
	    "> {\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what\"}, \"id\": 1}" },
	  true,
	  ERR_INTERNAL,
	  "what",
	  0 },
	{ "no greeting", { NULL }, true, ERR_TIMEOUT, "greeting", 0 },
	{ "no answer", { HELLO, "< query" }, true, ERR_TIMEOUT, "QMP query", 0 },
	{ "dead at once", { NULL }, false, ERR_UNAVAILABLE, "closed its monitor", 0 },
	{ "dead with a command on its way",
	  { HELLO, "< query" },
	  false,
	  ERR_UNAVAILABLE,
	  "closed its monitor",
	  0 },
	{ "dead in the middle of its answer",
	  { HELLO, "< query", "= {\"return\": " },
	  false,
	  ERR_UNAVAILABLE,
	  "closed its monitor",
	  0 },
	{ "not JSON", { "> hello" }, true, ERR_UNAVAILABLE, "QMP", 0 },
	{ "none of the four", { "> {\"x\": 1}" }, true, ERR_UNAVAILABLE, "neither", 0 },
	{ "answer without id",
	  { HELLO, "< query", "> {\"return\": 1}" },
	  true,
	  ERR_UNAVAILABLE,
	  "without our id",
	  0 },
	{ "error without description",
	  { HELLO, "< query", "> {\"error\": {}, \"id\": 2}" },
	  true,
	  ERR_UNAVAILABLE,
	  "without class",
	  0 },
	{ "error without id is nobody's",
	  { HELLO, "< query", "> {\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON\"}}",
	    "> {\"return\": \"yes\", \"id\": 2}" },
	  true,
	  ERR_NONE,
	  "yes",
	  0 },
};

struct qemu {
	const struct conversation *c;
	struct io *io;
	struct buf in;
};

static int say(struct qemu *q, const char *text, bool newline, struct err *e)
{
	if (io_write(q->io, text, strlen(text), deadline_in_ms(PATIENCE_MS), e) < 0)
		return -1;
	return newline ? io_write(q->io, "\n", 1, deadline_in_ms(PATIENCE_MS), e) : 0;
}

static int hear(struct qemu *q, const char *part, struct err *e)
{
	char *newline;
	bool found;

	while (!q->in.data || !(newline = memchr(q->in.data, '\n', q->in.len))) {
		char *room = buf_reserve(&q->in, 4096);
		ssize_t n = io_read(q->io, room, 4095, deadline_in_ms(PATIENCE_MS), e);

		if (n <= 0)
			return -1;
		q->in.len += (size_t)n;
		q->in.data[q->in.len] = '\0';
	}
	*newline = '\0';
	found = strstr(q->in.data, part);
	if (!found)
		(void)err_set(e, ERR_INVALID, "'%s' does not contain '%s'", q->in.data, part);
	buf_drop_front(&q->in, (size_t)(newline - q->in.data) + 1);
	return found ? 0 : -1;
}

/* An error here is the client having left early, which its own result shows. */
static void play(void *arg)
{
	struct qemu *q = arg;
	struct err e = ERR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(q->c->script) && q->c->script[i]; i++) {
		const char *line = q->c->script[i];

		if (*line == '<')
			r = hear(q, line + 2, &e);
		else
			r = say(q, line + 2, *line == '>', &e);
	}
	if (!q->c->stays)
		io_shutdown(q->io);
}

static void count_event(const char *event, const struct json *data, void *arg)
{
	int *n = arg;

	if (strcmp(event, "STOP") == 0 && strcmp(json_string(json_get(data, "reason")), "x") == 0)
		++*n;
}

static void talk(const struct conversation *c, struct qmp *q)
{
	auto_json struct json *root = NULL;
	const struct json *ret = NULL;
	struct deadline d = deadline_in_ms(c->want == ERR_TIMEOUT ? GIVES_UP_MS : PATIENCE_MS);
	struct err e = ERR_INIT;
	int r = qmp_handshake(q, d, &e);

	if (r == 0)
		r = qmp_call(q, "query", "{\"a\":1}", -1, d, &root, &ret, &e);
	if (e.code != c->want)
		fail_msg("%s: code %d, want %d: %s", c->name, (int)e.code, (int)c->want, e.text);
	if (!strstr(r < 0 ? e.text : json_string(ret), c->part))
		fail_msg("%s: '%s' without '%s'", c->name, e.text, c->part);
}

static void make_pair(struct io **a, int *b)
{
	struct err e = ERR_INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*a = io_consume(fds[0], &e);
	assert_non_null(*a);
	*b = fds[1];
}

static void run_conversation(void *arg)
{
	const struct conversation *c = arg;
	struct qemu peer = { .c = c };
	struct fiber_group peers = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;
	struct qmp *q;
	int ours, events = 0;

	make_pair(&peer.io, &ours);
	fiber_group_start(&peers, "peer", play, &peer);
	q = qmp_new_consume(ours, &e);
	assert_non_null(q);
	qmp_watch(q, "STOP", count_event, &events);
	qmp_watch(q, "OTHER", count_event, &events);
	talk(c, q);
	if (events != c->events)
		fail_msg("%s: %d events, want %d", c->name, events, c->events);
	qmp_free(q);
	fiber_group_wait(&peers);
	io_free(peer.io);
	buf_done(&peer.in);
}

static void test_conversations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(conversations); i++)
		fiber_main(run_conversation, (void *)(uintptr_t)&conversations[i]);
}

/* Two fibers at once, answered the other way round. */
struct caller {
	struct qmp *q;
	const char *command;
	char got[16];
};

static void call(void *arg)
{
	struct caller *c = arg;
	auto_json struct json *root = NULL;
	const struct json *ret = NULL;
	struct err e = ERR_INIT;

	if (qmp_call(c->q, c->command, NULL, -1, deadline_in_ms(PATIENCE_MS), &root, &ret, &e) == 0)
		(void)snprintf(c->got, sizeof(c->got), "%s", json_string(ret));
	else
		(void)snprintf(c->got, sizeof(c->got), "code %d", (int)e.code);
}

static void two_callers(struct conversation script, const char *want_a, const char *want_b)
{
	struct qemu peer = { .c = &script };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct caller a = { .command = "aa" }, b = { .command = "bb" };
	struct err e = ERR_INIT;
	int ours;

	make_pair(&peer.io, &ours);
	fiber_group_start(&group, "peer", play, &peer);
	a.q = b.q = qmp_new_consume(ours, &e);
	fiber_group_start(&group, "a", call, &a);
	fiber_group_start(&group, "b", call, &b);
	fiber_group_wait(&group);
	assert_string_equal(a.got, want_a);
	assert_string_equal(b.got, want_b);
	qmp_free(a.q);
	io_free(peer.io);
	buf_done(&peer.in);
}

static void run_two(void *arg)
{
	(void)arg;
	two_callers((struct conversation){ .script = { "< aa", "< bb",
						       "> {\"return\": \"B\", \"id\": 2}",
						       "> {\"return\": \"A\", \"id\": 1}" },
					   .stays = true },
		    "A", "B");
	/* The loss reaches both. ERR_UNAVAILABLE is 9. */
	two_callers((struct conversation){ .script = { "< aa", "< bb" } }, "code 9", "code 9");
}

static void test_two_callers(void **state)
{
	(void)state;
	assert_int_equal(ERR_UNAVAILABLE, 9);
	fiber_main(run_two, NULL);
}

/* A line that never ends is refused at the limit, not kept. */
static void flood(void *arg)
{
	struct io *io = arg;
	struct err e = ERR_INIT;
	auto_free char *bytes = xmalloc(65536);

	memset(bytes, ' ', 65536);
	while (io_write(io, bytes, 65536, deadline_in_ms(PATIENCE_MS), &e) == 0)
		continue;
}

static void run_flood(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;
	struct io *theirs;
	struct qmp *q;
	int ours;

	(void)arg;
	make_pair(&theirs, &ours);
	fiber_group_start(&group, "peer", flood, theirs);
	q = qmp_new_consume(ours, &e);
	assert_err(qmp_handshake(q, deadline_in_ms(PATIENCE_MS), &e), &e, ERR_UNAVAILABLE,
		   "a line of more than");
	qmp_free(q);
	fiber_group_wait(&group);
	io_free(theirs);
}

static void test_endless_line(void **state)
{
	(void)state;
	fiber_main(run_flood, NULL);
}

/* The descriptor arrives with the bytes of its command. */
static void receive_fd(void *arg)
{
	struct io *io = arg;
	char bytes[512], control[64];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct err e = ERR_INIT;
	struct stat theirs, ours;
	int fd = -1;

	assert_ok(io_wait_readable(io, deadline_in_ms(PATIENCE_MS), &e), &e);
	assert_true(recvmsg(io_fd(io), &msg, MSG_CMSG_CLOEXEC) > 0);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	assert_int_equal(fstat(fd, &theirs), 0);
	assert_int_equal(fstat(0, &ours), 0);
	assert_int_equal(theirs.st_ino, ours.st_ino);
	(void)close(fd);
	assert_ok(io_write(io, "{\"return\":{},\"id\":1}\n", 21, deadline_in_ms(PATIENCE_MS), &e),
		  &e);
}

static void run_fd(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;
	struct io *theirs;
	struct qmp *q;
	int ours;

	(void)arg;
	make_pair(&theirs, &ours);
	fiber_group_start(&group, "peer", receive_fd, theirs);
	q = qmp_new_consume(ours, &e);
	assert_ok(qmp_call(q, "getfd", "{\"fdname\":\"a\"}", 0, deadline_in_ms(PATIENCE_MS), NULL,
			   NULL, &e),
		  &e);
	fiber_group_wait(&group);
	qmp_free(q);
	io_free(theirs);
}

static void test_descriptor(void **state)
{
	(void)state;
	fiber_main(run_fd, NULL);
}

static void test_command_text(void **state)
{
	auto_free char *bare = qmp_command_text(7, "cont", NULL);
	auto_free char *full = qmp_command_text(8, "x", "{\"a\":\"\\\"\"}");

	(void)state;
	assert_string_equal(bare, "{\"execute\":\"cont\",\"id\":7}\n");
	assert_string_equal(full, "{\"execute\":\"x\",\"arguments\":{\"a\":\"\\\"\"},\"id\":8}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations), cmocka_unit_test(test_two_callers),
		cmocka_unit_test(test_endless_line),  cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_command_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, unix sockets, hybrid vsock with a scripted VMM, and trying again. A failed assertion
 * inside a fiber cannot go on with the next test: it ends the program.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/hybrid_vsock.h"
#include "common/net/line.h"
#include "common/net/transport.h"
#include "common/net/unix.h"
#include "common/net/vsock.h"

static char dir[64], path[100];

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-test-net-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void test_parse(void **state)
{
	static const struct {
		const char *uri;
		bool good;
		struct transport_address want;
	} rows[] = {
		{ "vsock://3:1024", true, { TRANSPORT_VSOCK, 3, 1024, 0, "" } },
		{ "vsock://-1:1024", true, { TRANSPORT_VSOCK, UINT32_MAX, 1024, 0, "" } },
		{ "vsock://3", false, { 0 } },
		{ "vsock://3:", false, { 0 } },
		{ "vsock://:1024", false, { 0 } },
		{ "vsock://3:0", false, { 0 } },
		{ "vsock://3:4294967295", false, { 0 } },
		{ "vsock://3:4294967296", false, { 0 } },
		{ "vsock://-2:1", false, { 0 } },
		{ "vsock://4294967296:1", false, { 0 } },
		{ "vsock://3:1 ", false, { 0 } },
		{ "vsock://00000000000000003:1", false, { 0 } },
		{ "hvsock:///run/x.sock", true, { TRANSPORT_HVSOCK, 0, 1024, 0, "/run/x.sock" } },
		{ "hvsock:///run/x:y.sock:7",
		  true,
		  { TRANSPORT_HVSOCK, 0, 7, 0, "/run/x:y.sock" } },
		{ "hvsock:///run/x.sock:", false, { 0 } },
		{ "hvsock://:1024", false, { 0 } },
		{ "hvsock://", false, { 0 } },
		{ "serial://husk.agent", true, { TRANSPORT_SERIAL, 0, 0, 0, "husk.agent" } },
		{ "serial:///run/a:b", true, { TRANSPORT_SERIAL, 0, 0, 0, "/run/a:b" } },
		{ "serial://", false, { 0 } },
		{ "unix:///run/x", true, { TRANSPORT_UNIX, 0, 0, 0, "/run/x" } },
		{ "unix:/run/x", false, { 0 } },
		{ "remote:///run/x", false, { 0 } },
		{ "", false, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct transport_address a = { .port = 55 };
		struct err e = ERR_INIT;

		if (!rows[i].good) {
			assert_err(transport_parse(rows[i].uri, &a, &e), &e, ERR_INVALID,
				   "is no address");
			assert_int_equal(a.port, 55);
			continue;
		}
		assert_ok(transport_parse(rows[i].uri, &a, &e), &e);
		assert_int_equal(a.kind, rows[i].want.kind);
		assert_int_equal(a.cid, rows[i].want.cid);
		assert_int_equal(a.port, rows[i].want.port);
		assert_string_equal(a.path, rows[i].want.path);
	}
}

static void test_longest_path(void **state)
{
	auto_free char *uri = xasprintf("unix://%0*d", TRANSPORT_PATH_MAX - 1, 7);
	auto_free char *longer = xasprintf("unix://%0*d", TRANSPORT_PATH_MAX, 7);
	struct transport_address a;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(transport_parse(uri, &a, &e), &e);
	assert_int_equal(strlen(a.path), TRANSPORT_PATH_MAX - 1);
	assert_err(transport_parse(longer, &a, &e), &e, ERR_INVALID, "is no address");
}

static void test_line(void **state)
{
	struct line l = LINE_INIT;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < HANDSHAKE_LINE_MAX; i++)
			assert_int_equal(line_add(&l, 'x'), LINE_MORE);
		assert_int_equal(line_add(&l, '\n'), LINE_DONE);
		assert_int_equal(strlen(l.text), HANDSHAKE_LINE_MAX);
		line_restart(&l);
		for (unsigned i = 0; i < HANDSHAKE_LINE_MAX; i++)
			assert_int_equal(line_add(&l, 'x'), LINE_MORE);
		for (unsigned i = 0; i < 1000; i++)
			assert_int_equal(line_add(&l, 'x'), LINE_TOO_LONG);
		assert_int_equal(line_add(&l, '\n'), LINE_MORE);
		assert_int_equal(line_add(&l, 'y'), LINE_MORE);
		assert_int_equal(line_add(&l, '\n'), LINE_DONE);
		assert_string_equal(l.text, "y");
		line_restart(&l);
	}
}

static void unix_sockets(void *arg)
{
	struct transport_address at = { .kind = TRANSPORT_UNIX };
	struct transport_listener *l;
	struct io *host, *guest;
	struct err e = ERR_INIT;
	struct stat st;

	(void)arg;
	assert_null(unix_connect(path, DEADLINE_NEVER, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);

	memcpy(at.path, path, sizeof(path));
	l = transport_listen(&at, &e);
	assert_non_null(l);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_err(unix_listen(path, &e), &e, ERR_EXISTS, "exists already");

	host = transport_connect(&at, deadline_in_ms(PATIENCE_MS), &e);
	assert_non_null(host);
	guest = transport_accept(l, deadline_in_ms(PATIENCE_MS), &e);
	assert_non_null(guest);
	assert_ok(unix_check_peer(io_fd(guest), &e), &e);
	assert_null(transport_accept(l, deadline_in_ms(10), &e));
	assert_int_equal(e.code, ERR_TIMEOUT);
	io_free(host);
	io_free(guest);
	transport_listener_free(l);
	assert_int_equal(stat(path, &st), -1);

	/* A socket file whose owner is gone. */
	assert_true(close(unix_listen(path, &e)) == 0);
	assert_null(unix_connect(path, DEADLINE_NEVER, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
}

/* As long as the ids of containerd allow, and beyond what sun_path holds. */
static void long_paths(void *arg)
{
	char root[] = "/tmp/husk-unix-XXXXXX";
	auto_free char *parent = NULL, *socket = NULL, *too_long = NULL;
	char id[ID_MAX + 1], name[100];
	auto_close int listener = -1;
	auto_close int handed_on = -1;
	struct io *host;
	struct err e = ERR_INIT;
	struct stat st;

	(void)arg;
	memset(id, 'i', ID_MAX);
	id[ID_MAX] = '\0';
	assert_non_null(mkdtemp(root));
	parent = xasprintf("%s/%s/%s/vm", root, id, id);
	socket = path_join(parent, "console.sock");
	assert_null(unix_connect(socket, DEADLINE_NEVER, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_ok(path_mkdirs(parent, 0700, &e), &e);
	assert_null(unix_connect(socket, DEADLINE_NEVER, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);

	listener = unix_listen(socket, &e);
	assert_true(listener >= 0);
	assert_int_equal(stat(socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_err(unix_listen(socket, &e), &e, ERR_EXISTS, socket);
	host = unix_connect(socket, DEADLINE_NEVER, &e);
	assert_non_null(host);
	io_free(host);
	handed_on = unix_connect_fd(socket, &e);
	assert_true(handed_on >= 0);
	assert_int_equal(fcntl(handed_on, F_GETFL) & O_NONBLOCK, 0);

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	too_long = path_join(parent, name);
	assert_err(unix_listen(too_long, &e), &e, ERR_INVALID, "is 99 bytes, the limit is ");
	assert_err(unix_listen("", &e), &e, ERR_INVALID, "names no socket");
	assert_ok(path_remove_tree(AT_FDCWD, root, &e), &e);
}

/* The listener appears while the host is trying. */
static void listen_later(void *arg)
{
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(40, &e), &e);
	*(int *)arg = unix_listen(path, &e);
}

static void connect_retries(void *arg)
{
	struct transport_address at = { .kind = TRANSPORT_UNIX };
	struct err e = ERR_INIT;
	struct io *io;
	int fd = -1;

	(void)arg;
	memcpy(at.path, path, sizeof(path));
	fiber_start("listen later", listen_later, &fd);
	io = transport_connect(&at, deadline_in_ms(PATIENCE_MS), &e);
	assert_non_null(io);
	io_free(io);
	(void)close(fd);
	(void)unlink(path);

	assert_null(transport_connect(&at, deadline_in_ms(30), &e));
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "unix socket: no connection in"));
	assert_non_null(strstr(e.text, path));
}

/* One row is what the VMM does with one connection. */
struct script {
	const char *says;   /* NULL: nothing */
	bool hangs_up;      /* before reading anything */
	enum err_code want; /* ERR_NONE: connected, and `rest` is read from the guest */
	const char *rest;
};

static const struct script scripts[] = {
	{ "OK 1073741824\n", false, ERR_NONE, "" },
	{ "OK 5\nHELLO from the guest", false, ERR_NONE, "HELLO from the guest" },
	{ "OK\n", false, ERR_NONE, "" },
	{ "", false, ERR_UNAVAILABLE, "nobody listens" },
	{ NULL, true, ERR_UNAVAILABLE, "nobody listens" },
	{ "OK 12", false, ERR_UNAVAILABLE, "nobody listens" },
	{ "NO\n", false, ERR_INVALID, "answered 'NO'" },
	{ "\n", false, ERR_INVALID, "answered ''" },
	{ "OKAY 1\n", false, ERR_INVALID, "answered 'OKAY 1'" },
	{ "OK 1234567890123456789012345678901234567890123456789012345678901234567890\n", false,
	  ERR_INVALID, "longer than 64 bytes" },
};

static int vmm_fd;

static void vmm(void *arg)
{
	const struct script *s = arg;
	char request[] = "CONNECT 1024\n", got[sizeof(request)] = "";
	struct err e = ERR_INIT;
	struct io *io = io_consume(vmm_fd, &e);

	if (!s->hangs_up) {
		assert_ok(io_read_exactly(io, got, sizeof(request) - 1, deadline_in_ms(PATIENCE_MS),
					  &e),
			  &e);
		assert_string_equal(got, request);
		if (s->says)
			assert_ok(io_write(io, s->says, strlen(s->says), DEADLINE_NEVER, &e), &e);
	}
	io_free(io);
}

static void hybrid_handshake(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		const struct script *s = &scripts[i];
		struct err e = ERR_INIT;
		char rest[64] = "";
		struct io *io;
		int fd = unix_listen(path, &e);
		struct fiber_group group = FIBER_GROUP_INIT;

		assert_true(fd >= 0);
		/* Connected before anybody accepts: the VMM is slower than we are. */
		io = unix_connect(path, DEADLINE_NEVER, &e);
		assert_non_null(io);
		vmm_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		fiber_group_start(&group, "vmm", vmm, (void *)(uintptr_t)s);
		if (s->want == ERR_NONE) {
			assert_ok(hybrid_vsock_handshake(io, 1024, deadline_in_ms(PATIENCE_MS), &e),
				  &e);
			assert_true(io_read(io, rest, sizeof(rest) - 1, deadline_in_ms(PATIENCE_MS),
					    &e) == (ssize_t)strlen(s->rest));
			assert_string_equal(rest, s->rest);
		} else if (s->hangs_up) {
			assert_true(hybrid_vsock_handshake(io, 1024, deadline_in_ms(PATIENCE_MS),
							   &e) < 0);
		} else {
			assert_err(hybrid_vsock_handshake(io, 1024, deadline_in_ms(PATIENCE_MS),
							  &e),
				   &e, s->want, s->rest);
		}
		io_free(io);
		fiber_group_wait(&group);
		(void)close(fd);
		(void)unlink(path);
	}
}

/* Hangs up on the first three, as a VMM does while the guest boots; then says yes. */
static void booting_vmm(void *arg)
{
	struct io *listener = arg;
	struct err e = ERR_INIT;

	for (int i = 0; i < 4; i++) {
		vmm_fd = io_accept(listener, deadline_in_ms(PATIENCE_MS), &e);
		assert_true(vmm_fd >= 0);
		vmm((void *)(uintptr_t)&scripts[i < 2 ? 4 : i == 2 ? 3 : 0]);
	}
}

static void hybrid_retries(void *arg)
{
	struct transport_address at = { .kind = TRANSPORT_HVSOCK, .port = 1024 };
	struct err e = ERR_INIT;
	struct io *listener = io_consume(unix_listen(path, &e), &e);
	struct fiber_group group = FIBER_GROUP_INIT;
	struct io *io;

	(void)arg;
	memcpy(at.path, path, sizeof(path));
	fiber_group_start(&group, "vmm", booting_vmm, listener);
	io = transport_connect(&at, deadline_in_ms(PATIENCE_MS), &e);
	if (!io)
		fail_msg("%s", e.text);
	fiber_group_wait(&group);
	io_free(io);
	io_free(listener);
	(void)unlink(path);
}

/* A VMM that takes the connection and never answers. */
static void hybrid_silent(void *arg)
{
	struct transport_address at = { .kind = TRANSPORT_HVSOCK, .port = 1024 };
	struct err e = ERR_INIT;
	int fd = unix_listen(path, &e);

	(void)arg;
	memcpy(at.path, path, sizeof(path));
	assert_null(transport_connect(&at, deadline_in_ms(50), &e));
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "hybrid vsock: no connection in"));
	(void)close(fd);
}

static void vsock_loopback(void *arg)
{
	struct transport_address at = { .kind = TRANSPORT_VSOCK, .cid = UINT32_MAX, .port = 10247 };
	struct transport_listener *l;
	struct io *host, *guest;
	struct err e = ERR_INIT;

	l = transport_listen(&at, &e);
	if (!l) {
		*(bool *)arg = true; /* no vsock in this kernel */
		return;
	}
	host = vsock_connect(1, 10247, deadline_in_ms(300), &e); /* VMADDR_CID_LOCAL */
	if (host) {
		guest = transport_accept(l, deadline_in_ms(PATIENCE_MS), &e);
		assert_non_null(guest);
		io_free(guest);
	} else {
		*(bool *)arg = true; /* no loopback in it */
	}
	io_free(host);
	transport_listener_free(l);
}

static void test_vsock(void **state)
{
	bool skipped = false;

	(void)state;
	fiber_main(vsock_loopback, &skipped);
	if (skipped)
		skip();
}

IN_FIBER(unix_sockets)
IN_FIBER(long_paths)
IN_FIBER(connect_retries)
IN_FIBER(hybrid_handshake)
IN_FIBER(hybrid_retries)
IN_FIBER(hybrid_silent)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_longest_path),
		cmocka_unit_test(test_line),
		cmocka_unit_test_setup_teardown(test_unix_sockets, make_dir, remove_dir),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test_setup_teardown(test_connect_retries, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_hybrid_handshake, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_hybrid_retries, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_hybrid_silent, make_dir, remove_dir),
		cmocka_unit_test(test_vsock),
	};

	return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}

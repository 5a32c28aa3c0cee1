/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serial port's handshake with what older connections may have left in it, and the listener on a
 * pseudo terminal that stands for the port. A failed assertion inside a fiber ends the program.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/net/serial.h"

#define NONCE_A "00112233445566778899aabbccddeeff"
#define NONCE_B "ffeeddccbbaa99887766554433221100"

static struct {
	struct io *host, *guest;
	struct fiber_group group;
	int host_result, guest_result;
	struct err host_err, guest_err;
} seen;

static void open_pair(void)
{
	struct err e = ERR_INIT;
	int fds[2];

	memset(&seen, 0, sizeof(seen));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	seen.host = io_consume(fds[0], &e);
	seen.guest = io_consume(fds[1], &e);
}

static void close_pair(void)
{
	io_free(seen.host);
	io_free(seen.guest);
}

static void put(struct io *io, const void *bytes, size_t len)
{
	struct err e = ERR_INIT;

	assert_ok(io_write(io, bytes, len, deadline_in_ms(PATIENCE_MS), &e), &e);
}

static void put_text(struct io *io, const char *text)
{
	put(io, text, strlen(text));
}

static void expect_text(struct io *io, const char *text)
{
	struct err e = ERR_INIT;
	char got[256] = "";

	assert_true(strlen(text) < sizeof(got));
	assert_ok(io_read_exactly(io, got, strlen(text), deadline_in_ms(PATIENCE_MS), &e), &e);
	assert_string_equal(got, text);
}

/* Host: then a first message at once, as ttrpc does. */
static void host_side(void *arg)
{
	(void)arg;
	seen.host_result =
		serial_handshake_host(seen.host, deadline_in_ms(PATIENCE_MS), &seen.host_err);
	if (seen.host_result == 0)
		put_text(seen.host, "first bytes");
}

static void guest_side(void *arg)
{
	(void)arg;
	seen.guest_result =
		serial_handshake_guest(seen.guest, deadline_in_ms(PATIENCE_MS), &seen.guest_err);
}

/* Both sides get in step whatever lies in the pipe, and not one byte of the connection is lost. */
static void in_step(void *arg)
{
	static char zeros[100000], long_line[3000];
	const struct {
		const void *bytes;
		size_t len;
	} stale[] = {
		{ "", 0 },
		{ "\n", 1 },
		{ "HUSK", 4 },
		{ "half a frame without an end", 27 },
		{ zeros, sizeof(zeros) },
		{ long_line, sizeof(long_line) },
		{ "\nHUSK HELLO " NONCE_A "\n", 45 },
		{ "\nHUSK HELLO " NONCE_A, 44 },
		{ "\nHUSK READY " NONCE_A "\n", 45 },
		{ "\nHUSK START " NONCE_A "\n", 45 },
		/* A whole connection that nobody took, and the beginning of its stream. */
		{ "\nHUSK HELLO " NONCE_A "\n\nHUSK START " NONCE_A "\n\0\0\0\5\0\0\0\1\1\0", 100 },
		{ "\nHUSK HELLO " NONCE_A "\n\nHUSK HELLO " NONCE_B "\n", 90 },
		{ "\nHUSK READY " NONCE_A "\n\nHUSK READY " NONCE_B "\nx", 91 },
	};

	(void)arg;
	memset(long_line, 'x', sizeof(long_line));
	for (size_t to_guest = 0; to_guest < ARRAY_LEN(stale); to_guest++) {
		for (size_t to_host = 0; to_host < ARRAY_LEN(stale); to_host++) {
			open_pair();
			put(seen.host, stale[to_guest].bytes, stale[to_guest].len);
			put(seen.guest, stale[to_host].bytes, stale[to_host].len);
			fiber_group_start(&seen.group, "host", host_side, NULL);
			fiber_group_start(&seen.group, "guest", guest_side, NULL);
			fiber_group_wait(&seen.group);
			if (seen.host_result < 0 || seen.guest_result < 0)
				fail_msg("rows %zu and %zu: host: %s; guest: %s", to_guest, to_host,
					 seen.host_err.text, seen.guest_err.text);
			expect_text(seen.guest, "first bytes");
			put_text(seen.guest, "answer");
			expect_text(seen.host, "answer");
			close_pair();
		}
	}
}

/* The guest, line by line: it follows the last HELLO and no other's START. */
static void guest_follows_the_last_hello(void *arg)
{
	(void)arg;
	open_pair();
	fiber_group_start(&seen.group, "guest", guest_side, NULL);
	put_text(seen.host, "junk\nHUSK HELLO " NONCE_A "\n");
	expect_text(seen.host, "\nHUSK READY " NONCE_A "\n");
	put_text(seen.host, "\nHUSK START " NONCE_B "\n");
	put_text(seen.host, "\nHUSK HELLO " NONCE_B "\n");
	expect_text(seen.host, "\nHUSK READY " NONCE_B "\n");
	put_text(seen.host, "\nHUSK START " NONCE_A "\nHUSK START 123\nHUSK HELLO XYZ\n");
	put_text(seen.host, "\nHUSK START " NONCE_B "\nHUSK HELLO " NONCE_A "\n");
	fiber_group_wait(&seen.group);
	assert_int_equal(seen.guest_result, 0);
	/* What follows the START belongs to the connection, whatever it looks like. */
	expect_text(seen.guest, "HUSK HELLO " NONCE_A "\n");
	close_pair();
}

static void host_deadline(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	open_pair();
	put_text(seen.guest, "\nHUSK READY " NONCE_A "\n");
	assert_err(serial_handshake_host(seen.host, deadline_in_ms(GIVES_UP_MS), &e), &e,
		   ERR_TIMEOUT, "serial port");
	io_shutdown(seen.guest);
	assert_err(serial_handshake_host(seen.host, deadline_in_ms(PATIENCE_MS), &e), &e,
		   ERR_UNAVAILABLE, "");
	close_pair();
}

/* A stream that is the port's own: the guest is late, the first HELLO was lost, the VMM dies. */
static void lossy_guest(void *arg)
{
	struct err e = ERR_INIT;
	char line[1 + 11 + 32 + 1];

	(void)arg;
	assert_ok(io_read_exactly(seen.guest, line, sizeof(line), deadline_in_ms(PATIENCE_MS), &e),
		  &e);
	guest_side(NULL);
}

static void stream(void *arg)
{
	struct err e = ERR_INIT;
	struct io *host;
	int64_t begun;

	(void)arg;
	open_pair();
	fiber_group_start(&seen.group, "guest", lossy_guest, NULL);
	host = serial_connect_stream(io_fd(seen.host), deadline_in_ms(PATIENCE_MS), &e);
	assert_non_null(host);
	put_text(host, "first bytes");
	fiber_group_wait(&seen.group);
	assert_int_equal(seen.guest_result, 0);
	expect_text(seen.guest, "first bytes");
	put_text(seen.guest, "answer");
	expect_text(host, "answer");
	io_free(host);
	close_pair();

	open_pair();
	assert_null(
		serial_connect_stream(io_fd(seen.host), deadline_in_ms(2 * SERIAL_AGAIN_MS), &e));
	assert_int_equal(e.code, ERR_TIMEOUT);
	begun = clock_now_ms();
	io_shutdown(seen.guest);
	assert_null(serial_connect_stream(io_fd(seen.host), deadline_in_ms(PATIENCE_MS), &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_true(clock_now_ms() - begun < AT_ONCE_MS);
	close_pair();
}

/* End of file is how a port without a host reads: the guest waits for one to come. */
static void no_host(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	open_pair();
	(void)shutdown(io_fd(seen.host), SHUT_WR);
	assert_err(serial_handshake_guest(seen.guest, deadline_in_ms(GIVES_UP_MS), &e), &e,
		   ERR_TIMEOUT, "no host connected");
	close_pair();
}

static char dir[64];

static void make_port(const char *port, const char *name)
{
	auto_free char *p = xasprintf("%s/sys/%s", dir, port);
	int fd;

	assert_int_equal(mkdir(p, 0700), 0);
	fd = open(p, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (name) {
		int f = openat(fd, "name", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(dprintf(f, "%s\n", name) > 0);
		(void)close(f);
	}
	(void)close(fd);
}

static int make_dirs(void **state)
{
	char sub[80];

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-test-serial-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(sub, sizeof(sub), "%s/sys", dir);
	if (mkdir(sub, 0700) < 0)
		return -1;
	(void)snprintf(sub, sizeof(sub), "%s/dev", dir);
	return mkdir(sub, 0700);
}

static int remove_dirs(void **state)
{
	static const char *const names[] = {
		"sys/vport0p0/name", "sys/vport0p1/name", "sys/vport0p0", "sys/vport0p1",
		"sys/vport0p2",      "dev/vport0p1",      "sys",          "dev"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *p = xasprintf("%s/%s", dir, names[i]);

		(void)remove(p);
	}
	return rmdir(dir);
}

static void test_find_port(void **state)
{
	auto_free char *sys = xasprintf("%s/sys", dir);
	auto_free char *want = xasprintf("/dev/vport0p1");
	auto_free char *got = NULL;
	struct err e = ERR_INIT;

	(void)state;
	make_port("vport0p0", "org.other.0");
	make_port("vport0p2", NULL);
	assert_err(serial_find_port("husk.agent", sys, "/dev", &got, &e), &e, ERR_NOT_FOUND,
		   "husk.agent");
	make_port("vport0p1", "husk.agent");
	assert_ok(serial_find_port("husk.agent", sys, "/dev", &got, &e), &e);
	assert_string_equal(got, want);
	assert_err(serial_find_port("husk.agen", sys, "/dev", &got, &e), &e, ERR_NOT_FOUND, "");
	assert_err(serial_find_port("husk.agent", "/nonexistent/x", "/dev", &got, &e), &e,
		   ERR_NOT_FOUND, "/nonexistent/x");
}

/* The port appears while the guest waits for it; then two connections, one after the other. */
static void port_appears(void *arg)
{
	auto_free char *link = xasprintf("%s/dev/vport0p1", dir);
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(30, &e), &e);
	make_port("vport0p1", "husk.agent");
	assert_ok(fiber_sleep_ms(30, &e), &e);
	assert_int_equal(symlink(arg, link), 0);
}

static void two_connections(void *arg)
{
	auto_free char *sys = xasprintf("%s/sys", dir), *dev = xasprintf("%s/dev", dir);
	struct serial_listener *l = serial_listen("husk.agent", sys, dev);
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct err e = ERR_INIT;
	struct termios raw;
	char slave[64];

	(void)arg;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, slave, sizeof(slave)), 0);
	assert_int_equal(tcgetattr(master, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(master, TCSANOW, &raw), 0);
	seen.host = io_consume(master, &e);

	assert_null(serial_accept(l, deadline_in_ms(15), &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	fiber_start("port appears", port_appears, slave);
	for (int i = 0; i < 2; i++) {
		struct io *conn;

		fiber_group_start(&seen.group, "host", host_side, NULL);
		conn = serial_accept(l, deadline_in_ms(PATIENCE_MS), &e);
		if (!conn)
			fail_msg("%s", e.text);
		fiber_group_wait(&seen.group);
		assert_int_equal(seen.host_result, 0);
		expect_text(conn, "first bytes");
		put_text(conn, "answer");
		expect_text(seen.host, "answer");
		/* Only one at a time: while this one lives nothing is taken off the port. */
		assert_null(serial_accept(l, deadline_in_ms(20), &e));
		assert_int_equal(e.code, ERR_TIMEOUT);
		put_text(seen.host, "stale bytes for the next one");
		io_free(conn);
	}
	serial_listener_free(l);
	io_free(seen.host);
}

IN_FIBER(in_step)
IN_FIBER(guest_follows_the_last_hello)
IN_FIBER(host_deadline)
IN_FIBER(stream)
IN_FIBER(no_host)
IN_FIBER(two_connections)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_step),
		cmocka_unit_test(test_guest_follows_the_last_hello),
		cmocka_unit_test(test_host_deadline),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_no_host),
		cmocka_unit_test_setup_teardown(test_find_port, make_dirs, remove_dirs),
		cmocka_unit_test_setup_teardown(test_two_connections, make_dirs, remove_dirs),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}

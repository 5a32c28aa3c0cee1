/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A start of QEMU in which the first, the second, the third … thing asked of the host fails: nothing
 * may stay. The linker puts the functions below in front of the real ones (--wrap); processes are
 * /bin/sleep, and a fiber answers on QEMU's end of the monitor.
 */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/unix.h"
#include "hypervisor/confine.h"
#include "hypervisor/driver.h"
#include "hypervisor/qemu/args.h"

#define TEXT(s)       ((char *)(uintptr_t)(s))
#define CHILDREN_MAX  8
#define FORGOTTEN_WAY "/nonexistent"
#define STOP_MS       5000 /* far below the ten seconds of a guest's time */

static struct {
	int fail_at; /* 1-based; 0: never */
	int asked;
	pid_t children[CHILDREN_MAX];
	size_t n_children;
	struct fiber_group peers;
	int daemon_socket;
	int send_buffer; /* of QEMU's end of the agent's channel */
} host;

static char run_dir[64];
static struct config config;

/* Is it this one's turn to fail? */
static bool refuses(const char *what, struct err *e)
{
	if (++host.asked != host.fail_at)
		return false;
	(void)err_set(e, ERR_INTERNAL, "%s refused", what);
	return true;
}

static int refuse_errno(void)
{
	struct err ignored;

	if (!refuses("", &ignored))
		return 0;
	errno = EMFILE;
	return -1;
}

/* ---- The host, as the driver sees it ---- */

struct child *__real_child_spawn(const struct child_spec *spec, struct err *e);
struct child *__wrap_child_spawn(const struct child_spec *spec, struct err *e);
int __real_unix_listen(const char *path, struct err *e);
int __wrap_unix_listen(const char *path, struct err *e);
int __real_socketpair(int domain, int type, int protocol, int fds[2]);
int __wrap_socketpair(int domain, int type, int protocol, int fds[2]);
int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int __real_confine_new(const struct confine_spec *s, struct confine **ret, struct err *e);
int __wrap_confine_new(const struct confine_spec *s, struct confine **ret, struct err *e);
int __real_file_replace(int dirfd, const char *name, const void *buf, size_t len, struct err *e);
int __wrap_file_replace(int dirfd, const char *name, const void *buf, size_t len, struct err *e);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);

int __wrap_unix_listen(const char *path, struct err *e)
{
	return refuses("unix_listen", e) ? -1 : __real_unix_listen(path, e);
}

int __wrap_socketpair(int domain, int type, int protocol, int fds[2])
{
	return refuse_errno() < 0 ? -1 : __real_socketpair(domain, type, protocol, fds);
}

int __wrap_pipe2(int fds[2], int flags)
{
	return refuse_errno() < 0 ? -1 : __real_pipe2(fds, flags);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	return refuse_errno() < 0 ? -1 : __real_mkdir(path, mode);
}

int __wrap_confine_new(const struct confine_spec *s, struct confine **ret, struct err *e)
{
	return refuses("confine_new", e) ? -1 : __real_confine_new(s, ret, e);
}

int __wrap_file_replace(int dirfd, const char *name, const void *buf, size_t len, struct err *e)
{
	return refuses("file_replace", e) ? -1 : __real_file_replace(dirfd, name, buf, len, e);
}

/* Answers whatever it is asked, or refuses when it is its turn, until the connection ends. */
static void monitor(void *arg)
{
	struct io *io = arg;
	struct err e = ERR_INIT;
	char line[4096];
	int id = 0;
	ssize_t n;

	if (io_write(io, "{\"QMP\":{}}\r\n", 12, deadline_in_ms(PATIENCE_MS), &e) < 0)
		goto out;
	while ((n = io_read(io, line, sizeof(line), DEADLINE_NEVER, &e)) > 0) {
		struct err no = ERR_INIT;
		int len = snprintf(line, sizeof(line),
				   refuses("QMP", &no)
					   ? "{\"error\":{\"class\":\"GenericError\",\"desc\":"
					     "\"QMP refused\"},\"id\":%d}\r\n"
					   : "{\"return\":{},\"id\":%d}\r\n",
				   ++id);

		if (io_write(io, line, (size_t)len, deadline_in_ms(PATIENCE_MS), &e) < 0)
			break;
	}
out:
	io_free(io);
}

static void start_monitor(const struct child_spec *spec)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < spec->n_fds; i++) {
		if (spec->fds[i].to != QEMU_FD_QMP)
			continue;
		struct io *io = io_consume(fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, 0), &e);

		assert_non_null(io);
		fiber_group_start(&host.peers, "monitor", monitor, io);
	}
}

static void look_at_channel(const struct child_spec *spec)
{
	socklen_t len = sizeof(host.send_buffer);

	for (size_t i = 0; i < spec->n_fds; i++)
		if (spec->fds[i].to == QEMU_FD_AGENT)
			(void)getsockopt(spec->fds[i].from, SOL_SOCKET, SO_SNDBUF,
					 &host.send_buffer, &len);
}

static void start_daemon_socket(const struct child_spec *spec)
{
	auto_free char *path = xasprintf("%s/vhost.sock", spec->cwd);
	struct err e = ERR_INIT;

	host.daemon_socket = __real_unix_listen(path, &e);
	assert_true(host.daemon_socket >= 0);
}

struct child *__wrap_child_spawn(const struct child_spec *spec, struct err *e)
{
	static const char *const sleep_argv[] = { "/bin/sleep", "1000", NULL };
	static const char *const version_argv[] = { "/bin/echo", "virtiofsd version 7.2", NULL };
	struct child_spec real = *spec;
	struct child *c;

	if (refuses("child_spawn", e))
		return NULL;
	real.before_exec = NULL;
	real.clone_flags = 0;
	real.argv = strstr(spec->name, "--version") ? version_argv : sleep_argv;
	c = __real_child_spawn(&real, e);
	if (!c) /* its own pipe was refused */
		return NULL;
	host.children[host.n_children++] = child_pid(c);
	if (strcmp(spec->name, "qemu") == 0) {
		start_monitor(spec);
		look_at_channel(spec);
	}
	if (strcmp(spec->name, "vhost-device-vsock") == 0)
		start_daemon_socket(spec);
	return c;
}

/* ---- The census ---- */

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n - 2;
}

static int count_children(void)
{
	int n = 0;

	for (size_t i = 0; i < host.n_children; i++)
		n += kill(host.children[i], 0) == 0;
	return n;
}

static void settle(void)
{
	fiber_group_wait(&host.peers);
	close_slot(&host.daemon_socket);
	host.daemon_socket = -1;
	fiber_yield();
}

static bool agent_listens;

/* True if the start got through. `fds`: descriptors open without any machine; 0: not known yet. */
static bool start_once(int fail_at, int fds)
{
	const struct hv_spec spec = { .id = "t1",
				      .config = &config,
				      .run_dir = run_dir,
				      .share_dir = "/tmp",
				      .netns_fd = -1,
				      .agent_listens = agent_listens };
	struct hv *hv = NULL;
	struct err e = ERR_INIT;
	bool started;

	memset(&host, 0, sizeof(host));
	host.daemon_socket = -1;
	host.fail_at = fail_at;
	started = hv_start(&spec, deadline_in_ms(PATIENCE_MS), &hv, &e) == 0;
	if (started) {
		assert_true(count_children() >= 2);
		assert_true(count_entries(run_dir) >= 1);
		assert_true(hv_pid(hv) > 0);
		hv_stop(hv);
		hv_stop(hv);
		hv_free(hv);
	} else if (!strstr(e.text, "refused") && e.sys != EMFILE) {
		fail_msg("failure %d: '%s' does not say what failed", fail_at, e.text);
	}
	settle();
	if (count_children() != 0)
		fail_msg("failure %d: %d processes stay", fail_at, count_children());
	if (count_entries(run_dir) != 0)
		fail_msg("failure %d: files stay in the run directory", fail_at);
	if (fds && count_entries("/proc/self/fd") != fds)
		fail_msg("failure %d: %d descriptors, want %d", fail_at,
			 count_entries("/proc/self/fd"), fds);
	return started;
}

static void fail_everywhere(void *arg)
{
	int fds, n = 1;

	config.hypervisor.transport = *(enum config_transport *)arg;
	assert_true(start_once(0, 0)); /* the loop opens what it keeps for good */
	fds = count_entries("/proc/self/fd");
	while (!start_once(n, fds))
		n++;
	assert_true(n > 12); /* or the fake never failed anything */
}

static void test_serial(void **state)
{
	enum config_transport t = CONFIG_TRANSPORT_SERIAL;

	(void)state;
	fiber_main(fail_everywhere, &t);
}

static void test_serial_listening(void **state)
{
	enum config_transport t = CONFIG_TRANSPORT_SERIAL;

	(void)state;
	agent_listens = true;
	fiber_main(fail_everywhere, &t);
	agent_listens = false;
}

static void test_hybrid_vsock(void **state)
{
	enum config_transport t = CONFIG_TRANSPORT_HVSOCK;

	(void)state;
	fiber_main(fail_everywhere, &t);
}

/* ---- The agent's stream ---- */

/* Twice what was asked for where we may go beyond the host's limit, else twice the limit. */
static int granted_send_buffer(void)
{
	int fds[2], bytes = 1 << 20;
	socklen_t len = sizeof(bytes);

	assert_int_equal(__real_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, len) < 0)
		assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, len), 0);
	assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, &len), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return bytes;
}

static void start_with_stream(void *arg)
{
	const struct hv_spec spec = {
		.id = "t1", .config = &config, .run_dir = run_dir, .netns_fd = -1
	};
	const struct transport_address *at;
	struct err e = ERR_INIT, why = ERR_INIT;
	struct hv *hv = NULL;
	char byte;

	(void)arg;
	memset(&host, 0, sizeof(host));
	host.daemon_socket = -1;
	assert_ok(hv_start(&spec, deadline_in_ms(PATIENCE_MS), &hv, &e), &e);
	at = hv_agent_address(hv);
	assert_int_equal(at->kind, TRANSPORT_SERIAL_STREAM);
	assert_int_equal(host.send_buffer, granted_send_buffer());

	/* QEMU alone has the other end: its death is seen here. */
	assert_int_equal(recv(at->fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(kill(host.children[0], SIGKILL), 0);
	assert_ok(hv_wait_dead(hv, deadline_in_ms(PATIENCE_MS), &why, &e), &e);
	assert_null(transport_connect(at, deadline_in_ms(PATIENCE_MS), &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	hv_free(hv);
	settle();
}

static void test_stream(void **state)
{
	(void)state;
	config.hypervisor.transport = CONFIG_TRANSPORT_SERIAL;
	fiber_main(start_with_stream, NULL);
}

/* ---- Death ---- */

/* The order in which they are started; 1 is virtiofsd --version. */
enum {
	CHILD_QEMU = 0,
	CHILD_VIRTIOFSD = 2,
};

static void die(void *arg)
{
	const int *victim = arg; /* which child */
	const struct hv_spec spec = { .id = "t1",
				      .config = &config,
				      .run_dir = run_dir,
				      .share_dir = "/tmp",
				      .netns_fd = -1 };
	struct err e = ERR_INIT, why = ERR_INIT;
	struct hv *hv = NULL;
	int64_t begun;

	memset(&host, 0, sizeof(host));
	host.daemon_socket = -1;
	assert_ok(hv_start(&spec, deadline_in_ms(PATIENCE_MS), &hv, &e), &e);
	assert_err(hv_wait_dead(hv, deadline_in_ms(20), &why, &e), &e, ERR_TIMEOUT, "wait for");
	assert_null(hv_dead_process(hv).name);
	begun = clock_now_ms();
	assert_int_equal(kill(host.children[*victim], SIGKILL), 0);
	assert_ok(hv_wait_dead(hv, deadline_in_ms(PATIENCE_MS), &why, &e), &e);
	assert_true(clock_now_ms() - begun < AT_ONCE_MS);
	assert_non_null(strstr(why.text, *victim == CHILD_QEMU ? "qemu" : "virtiofsd"));
	assert_non_null(strstr(why.text, "signal 9"));
	assert_string_equal(hv_dead_process(hv).name, *victim == CHILD_QEMU ? "qemu" : "virtiofsd");
	assert_int_equal(hv_dead_process(hv).pid, host.children[*victim]);
	assert_int_equal(hv_dead_process(hv).exit_code, 128 + SIGKILL);
	hv_free(hv);
	settle();
	assert_int_equal(count_children(), 0);
	assert_int_equal(count_entries(run_dir), 0);
}

static void test_death_of_qemu(void **state)
{
	int victim = CHILD_QEMU;

	(void)state;
	config.hypervisor.transport = CONFIG_TRANSPORT_SERIAL;
	fiber_main(die, &victim);
}

static void test_death_of_virtiofsd(void **state)
{
	int victim = CHILD_VIRTIOFSD;

	(void)state;
	config.hypervisor.transport = CONFIG_TRANSPORT_SERIAL;
	fiber_main(die, &victim);
}

/* ---- Devices ---- */

struct unplugging {
	struct hv *hv;
	struct hv_device *dev;
};

/* The monitor here tells of no events: only the end of the machine ends this. */
static void unplug(void *arg)
{
	const struct unplugging *p = arg;
	struct err e = ERR_INIT;

	assert_ok(hv_unplug(p->hv, p->dev, DEADLINE_NEVER, &e), &e);
}

static int64_t stop_ms; /* of the last stop_with_devices() */

/* A machine that is stopped takes its devices along, and nobody waits for a guest. */
static void stop_with_devices(void *arg)
{
	const struct hv_spec spec = {
		.id = "t1", .config = &config, .run_dir = run_dir, .netns_fd = -1
	};
	struct hv_extent file = { .fd = memfd_create("disk", MFD_CLOEXEC), .name = "disk" };
	const struct hv_disk disk = { .extents = &file, .n_extents = 1 };
	struct unplugging waiting, kept;
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;
	int64_t begun;

	(void)arg;
	memset(&host, 0, sizeof(host));
	host.daemon_socket = -1;
	assert_int_equal(ftruncate(file.fd, 512), 0);
	assert_ok(hv_start(&spec, deadline_in_ms(PATIENCE_MS), &waiting.hv, &e), &e);
	kept.hv = waiting.hv;
	assert_ok(hv_plug_disk(kept.hv, &disk, deadline_in_ms(PATIENCE_MS), &waiting.dev, &e), &e);
	assert_ok(hv_plug_disk(kept.hv, &disk, deadline_in_ms(PATIENCE_MS), &kept.dev, &e), &e);
	fiber_group_start(&group, "unplug", unplug, &waiting);
	fiber_yield();
	begun = clock_now_ms();
	hv_stop(kept.hv);
	stop_ms = clock_now_ms() - begun;
	assert_int_equal(kept.hv->device_calls, 0);
	fiber_group_wait(&group);
	unplug(&kept);
	hv_free(kept.hv);
	settle();
	(void)close(file.fd);
}

static void test_stop_with_devices(void **state)
{
	(void)state;
	config.hypervisor.transport = CONFIG_TRANSPORT_SERIAL;
	for (int i = 0; i < MEASUREMENTS && (i == 0 || stop_ms >= STOP_MS); i++)
		fiber_main(stop_with_devices, NULL);
	assert_in_range(stop_ms, 0, STOP_MS);
}

/* ---- What is wrong before anything is started ---- */

struct outcome {
	int r;
	struct err e;
};

static void start_wrong(void *arg)
{
	struct outcome *o = arg;
	const struct hv_spec spec = {
		.id = "t1", .config = &config, .run_dir = run_dir, .netns_fd = -1
	};
	struct hv *hv = NULL;

	memset(&host, 0, sizeof(host));
	host.daemon_socket = -1;
	o->r = hv_start(&spec, deadline_in_ms(PATIENCE_MS), &hv, &o->e);
}

static void test_wrong_configuration(void **state)
{
	static const struct {
		const char *name, *kernel;
		enum err_code code;
		const char *part;
	} cases[] = {
		{ "clh", "/dev/null", ERR_UNSUPPORTED,
		  "hypervisor 'clh' (Cloud Hypervisor) is not available in this version; use "
		  "'qemu'" },
		{ "xen", "/dev/null", ERR_INVALID, "'qemu', 'clh', 'fake'" },
		{ "qemu", FORGOTTEN_WAY, ERR_NOT_FOUND, "guest kernel '" FORGOTTEN_WAY "'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome o = { .e = ERR_INIT };

		config.runtime.hypervisor_name = TEXT(cases[i].name);
		config.hypervisor.kernel = TEXT(cases[i].kernel);
		fiber_main(start_wrong, &o);
		assert_int_equal(o.r, -1);
		assert_int_equal(o.e.code, cases[i].code);
		assert_non_null(strstr(o.e.text, cases[i].part));
	}
}

static int set_up(void **state)
{
	(void)state;
	config.hypervisor = (struct config_hypervisor){
		.path = TEXT("/bin/sleep"),
		.kernel = TEXT("/dev/null"),
		.initrd = TEXT("/dev/null"),
		.kernel_params = TEXT(""),
		.machine_type = TEXT("q35"),
		.machine_accelerators = TEXT(""),
		.cpu_features = TEXT(""),
		.accel = CONFIG_ACCEL_TCG,
		.vsock_daemon = TEXT("/bin/sleep"),
		.default_vcpus = 1,
		.default_memory_mib = 256,
		.shared_fs = TEXT("virtio-fs"),
		.virtio_fs_daemon = TEXT("/bin/sleep"),
		.virtio_fs_cache = TEXT("auto"),
		.block_device_driver = TEXT("virtio-blk"),
		.block_device_aio = TEXT("threads"),
		.entropy_source = TEXT("/dev/urandom"),
		.seccompsandbox = TEXT(""),
		.user = TEXT(""),
	};
	config.agent.debug_console_enabled = true;
	config.runtime.hypervisor_name = TEXT("qemu");
	config.runtime.guest_image = TEXT("");
	config.runtime.guest_dir = TEXT("");
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(run_dir, sizeof(run_dir), "/tmp/husk-start-XXXXXX");
	return mkdtemp(run_dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, run_dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_serial_listening),
		cmocka_unit_test(test_hybrid_vsock),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_death_of_qemu),
		cmocka_unit_test(test_death_of_virtiofsd),
		cmocka_unit_test(test_stop_with_devices),
		cmocka_unit_test(test_wrong_configuration),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

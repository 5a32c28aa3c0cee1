/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of a host in which the first, second, third ... system call that acquires something fails. Each
 * either succeeds all the same, and can be undone, or leaves nothing: no mount, cgroup, descriptor,
 * process or file. Needs root.
 */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/path.h"
#include "tests/component/agent_harness.h"
#include "tests/component/faults.h"

#define FAULTY_AGENT    "./tests/component/husk-agent-faulty"
#define N_MAX           2000 /* calls of one request: more is a loop */
#define SETTLE_STEP     20
#define SETTLE_QUIET_MS 100
#define SETTLE_QUIET    3 /* times in a row: the kernel may take long to end what was killed */
#define MOUNTINFO_MAX   (4u << 20)
#define SOME_FDS        16
#define LIT(text)       ((char *)(uintptr_t)(text))

static struct faults *faults;

/* What there is, as text: equal texts, nothing left. */

static void add_mounts(const struct agent_run *run, struct buf *b)
{
	auto_free char *path = xasprintf("/proc/%d/mountinfo", (int)child_pid(run->agent));
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	char *save = NULL;

	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, &e) < 0)
		return;
	/* proc_pid_mountinfo(5): the fifth field; the first are numbers that change. */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field = NULL;

		for (int i = 0; i < 5; i++)
			field = strsep(&line, " ");
		if (field && strstr(field, run->dir))
			buf_addf(b, "mount %s\n", field);
	}
}

static void add_children(const struct agent_run *run, struct buf *b)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", (int)child_pid(run->agent),
					 (int)child_pid(run->agent));
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, &e) == 0)
		buf_addf(b, "children: %s\n", text);
}

static void add_descriptors(const struct agent_run *run, struct buf *b)
{
	auto_free char *path = xasprintf("/proc/%d/fd", (int)child_pid(run->agent));
	DIR *d = opendir(path);

	/* By kind: what stands behind the colon is a number of the kernel's. */
	for (const struct dirent *de = d ? readdir(d) : NULL; de; de = readdir(d)) {
		char target[256] = "";

		if (readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1) > 0)
			buf_addf(b, "descriptor %s %.*s\n", de->d_name, (int)strcspn(target, ":"),
				 target);
	}
	if (d)
		(void)closedir(d);
}

static struct buf *entries;

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	buf_addf(entries, "file %s\n", path);
	return 0;
}

static int add_cgroup(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	auto_free char *ours = xasprintf("husk-test-%d", (int)getpid());

	(void)st;
	(void)at;
	if (kind == FTW_D && strstr(path, ours))
		buf_addf(entries, "cgroup %s\n", path);
	return 0;
}

static char *census(const struct agent_run *run)
{
	struct buf b = BUF_INIT;

	add_mounts(run, &b);
	add_children(run, &b);
	add_descriptors(run, &b);
	entries = &b;
	(void)nftw(run->run_dir, add_file, SOME_FDS, FTW_PHYS | FTW_MOUNT);
	(void)nftw("/sys/fs/cgroup", add_cgroup, SOME_FDS, FTW_PHYS);
	return b.data;
}

/* When nothing changes any more. */
static char *settled(const struct agent_run *run)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);
	char *last = census(run);
	int quiet = 0;

	for (;;) {
		struct err e = ERR_INIT;
		bool waited = fiber_sleep_ms(SETTLE_QUIET_MS, &e) == 0;
		char *now = census(run);

		quiet = strcmp(now, last) == 0 ? quiet + 1 : 0;
		free(last);
		last = now;
		if (quiet == SETTLE_QUIET || !waited || deadline_passed(end))
			return last;
	}
}

/* The lines of `a` that `b` has not. */
static void show_difference(const char *what, const char *a, const char *b)
{
	auto_free char *lines = xstrdup(a);
	char *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		auto_free char *whole = xasprintf("%s\n", line);

		if (!strstr(b, whole))
			(void)fprintf(stderr, "%s: %s\n", what, line);
	}
}

/* Once what was killed has ended. */
static bool same_as(const struct agent_run *run, const char *before)
{
	struct deadline end = deadline_in_ms(PATIENCE_MS);
	struct err e = ERR_INIT;

	for (;;) {
		auto_free char *now = census(run);

		if (strcmp(now, before) == 0)
			return true;
		if (deadline_passed(end) || fiber_sleep_ms(SETTLE_STEP, &e) < 0) {
			show_difference("left", now, before);
			show_difference("missing", before, now);
			return false;
		}
	}
}

/* What a host does, and how it takes it back when it has succeeded; both return as calls do. */
struct operation {
	const char *name;
	int (*call)(struct agent_run *run);
	int (*take_back)(struct agent_run *run);
	bool in_library; /* its calls are libnl's: only a static agent has them wrapped */
};

/* Returns whether there were as many calls as `n`. */
static bool fail_one(struct agent_run *run, const struct operation *o, long n, const char *before)
{
	bool reached, failed, said;

	memset(faults->name, 0, sizeof(faults->name));
	atomic_store(&faults->count, 0);
	atomic_store(&faults->at, n);
	failed = o->call(run) < 0;
	said = run->e.text[0] != '\0';
	atomic_store(&faults->at, 0);
	reached = atomic_load(&faults->count) >= n;

	if (failed && (!reached || !said))
		agent_note_failure(__FILE__, __LINE__, o->name, run->e.text);
	if (!failed && o->take_back && o->take_back(run) < 0)
		agent_note_failure(__FILE__, __LINE__, "take back", run->e.text);
	if (!same_as(run, before)) {
		print_message("%s: call %ld, %s, has failed; the request: %s\n", o->name, n,
			      faults->name, failed ? run->e.text : "succeeded");
		agent_note_failure(__FILE__, __LINE__, "something is left", "");
	}
	return reached;
}

static void fail_each(struct agent_run *run, const struct operation *o)
{
	auto_free char *before = NULL;
	int failures_before = agent_failures;
	long n = 1;

	/* Once for what is made with the first and kept: directories, threads. */
	CHECK(run, o->call(run) == 0);
	CHECK(run, !o->take_back || o->take_back(run) == 0);
	before = settled(run);
	while (n <= N_MAX && fail_one(run, o, n, before) && agent_failures == failures_before)
		n++;
	CHECK(run, (n > 1 || o->in_library) && n <= N_MAX);
	print_message("%s: %ld calls failed in turn\n", o->name, n - 1);
}

/* ---- Containers ---- */

static void set_storage(Grpc__Storage *s, const char *driver, const char *source,
			const char *fstype, char *mount_point)
{
	grpc__storage__init(s);
	s->driver = LIT(driver);
	s->source = LIT(source);
	s->fstype = LIT(fstype);
	s->mount_point = mount_point;
}

static int create(struct agent_run *run, bool terminal)
{
	static const char *const args[] = { "sleep", "100", NULL };
	auto_free char *bound = path_join(run->run_dir, "sandbox/bound");
	auto_free char *bound_too = path_join(run->run_dir, "sandbox/bound-too");
	Grpc__Storage list[2];
	Grpc__Storage *storages[] = { &list[0], &list[1] };
	Grpc__LinuxResources resources;
	Grpc__LinuxDeviceCgroup rule;
	Grpc__LinuxDeviceCgroup *rules[] = { &rule };
	const struct agent_container c = {
		.id = "c1",
		.args = args,
		.terminal = terminal,
		.storages = storages,
		.n_storages = ARRAY_LEN(storages),
		.resources = &resources,
	};

	set_storage(&list[0], "bind", run->rootfs, "bind", bound);
	set_storage(&list[1], "bind", run->rootfs, "bind", bound_too);
	grpc__linux_resources__init(&resources);
	grpc__linux_device_cgroup__init(&rule);
	rule.type = LIT("c");
	rule.access = LIT("rwm");
	resources.devices = rules;
	resources.n_devices = 1;
	return agent_create(run, &c);
}

static int create_with_pipes(struct agent_run *run)
{
	return create(run, false);
}

static int create_with_terminal(struct agent_run *run)
{
	return create(run, true);
}

static int start_it(struct agent_run *run)
{
	struct err e;

	if (create(run, false) < 0)
		return -1;
	if (agent_start(run, "c1") == 0)
		return 0;
	e = run->e;
	if (agent_remove(run, "c1") < 0)
		return -1;
	run->e = e;
	return -1;
}

static int remove_it(struct agent_run *run)
{
	return agent_remove(run, "c1");
}

static void create_container(struct agent_run *run)
{
	static const struct operation pipes = { "CreateContainer", create_with_pipes, remove_it,
						false };
	static const struct operation terminal = { "CreateContainer with a terminal",
						   create_with_terminal, remove_it, false };

	fail_each(run, &pipes);
	fail_each(run, &terminal);
}

static void start_container(struct agent_run *run)
{
	static const struct operation start = { "CreateContainer and StartContainer", start_it,
						remove_it, false };

	fail_each(run, &start);
}

/* ---- Execs ---- */

static int exec_pipes(struct agent_run *run)
{
	return agent_exec(run, "c0", "e1", "exit 3");
}

static int exec_terminal(struct agent_run *run)
{
	static const char *const args[] = { "true", NULL };

	return agent_exec_args(run, "c0", "e1", args, true);
}

/* Its exit code and its output are fetched: then it is forgotten. */
static int fetch(struct agent_run *run)
{
	auto_buf struct buf out = BUF_INIT;
	int code;

	if (agent_wait(run, "c0", "e1", &code) < 0 ||
	    agent_read_all(run, "ReadStdout", "c0", "e1", &out) < 0)
		return -1;
	/* One without a terminal has a second stream. */
	(void)!agent_read_all(run, "ReadStderr", "c0", "e1", &out);
	return 0;
}

static void exec_process(struct agent_run *run)
{
	static const struct operation pipes = { "ExecProcess", exec_pipes, fetch, false };
	static const struct operation terminal = { "ExecProcess with a terminal", exec_terminal,
						   fetch, false };

	CHECK(run, agent_run_script(run, "c0", "sleep 1000") == 0);
	fail_each(run, &pipes);
	fail_each(run, &terminal);
	CHECK(run, agent_remove(run, "c0") == 0);
}

/* ---- Calls that keep nothing ---- */

static int ask_interfaces(struct agent_run *run)
{
	Grpc__ListInterfacesRequest req;
	Grpc__Interfaces *resp;

	grpc__list_interfaces_request__init(&req);
	if (agent_call(run, "ListInterfaces", &req, &resp) < 0)
		return -1;
	grpc__interfaces__free_unpacked(resp, NULL);
	return 0;
}

static int change_interface(struct agent_run *run)
{
	Grpc__UpdateInterfaceRequest req;
	Types__Interface lo;
	Types__IPAddress address;
	Types__IPAddress *addresses[] = { &address };

	types__ipaddress__init(&address);
	address.address = LIT("127.0.0.9");
	address.mask = LIT("8");
	types__interface__init(&lo);
	lo.name = LIT("lo");
	lo.hwaddr = LIT("00:00:00:00:00:00");
	lo.ipaddresses = addresses;
	lo.n_ipaddresses = 1;
	grpc__update_interface_request__init(&req);
	req.interface = &lo;
	return agent_call(run, "UpdateInterface", &req, NULL);
}

static int change_routes(struct agent_run *run)
{
	Grpc__UpdateRoutesRequest req;
	Grpc__Routes routes;
	Types__Route route;
	Types__Route *list[] = { &route };

	types__route__init(&route);
	route.dest = LIT("198.51.100.0/24");
	route.device = LIT("lo");
	grpc__routes__init(&routes);
	routes.routes = list;
	routes.n_routes = 1;
	grpc__update_routes_request__init(&req);
	req.routes = &routes;
	return agent_call(run, "UpdateRoutes", &req, NULL);
}

static int ask_volume(struct agent_run *run)
{
	Grpc__VolumeStatsRequest req;

	grpc__volume_stats_request__init(&req);
	req.volume_guest_path = run->run_dir;
	return agent_call(run, "GetVolumeStats", &req, NULL);
}

static int ask_metrics(struct agent_run *run)
{
	Grpc__GetMetricsRequest req;

	grpc__get_metrics_request__init(&req);
	return agent_call(run, "GetMetrics", &req, NULL);
}

static int unlink_copy(struct agent_run *run)
{
	auto_free char *path = path_join(run->run_dir, "shared/containers/file");

	return unlink(path);
}

static int copy_a_file(struct agent_run *run)
{
	auto_free char *path = path_join(run->run_dir, "shared/containers/file");
	Grpc__CopyFileRequest req;

	grpc__copy_file_request__init(&req);
	req.path = path;
	req.file_mode = 0100640;
	req.file_size = 4;
	req.data.data = (uint8_t *)LIT("data");
	req.data.len = 4;
	return agent_call(run, "CopyFile", &req, NULL);
}

static void calls_without_a_trace(struct agent_run *run)
{
	static const struct operation operations[] = {
		{ "UpdateInterface", change_interface, NULL, false },
		{ "ListInterfaces", ask_interfaces, NULL, true },
		{ "UpdateRoutes", change_routes, NULL, true },
		{ "GetVolumeStats", ask_volume, NULL, false },
		{ "GetMetrics", ask_metrics, NULL, false },
		{ "CopyFile", copy_a_file, unlink_copy, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		fail_each(run, &operations[i]);
}

/* A swap that is none: each failure is one more. */
static void add_swap(struct agent_run *run)
{
	auto_free char *before = settled(run);
	Grpc__AddSwapPathRequest req;

	grpc__add_swap_path_request__init(&req);
	req.path = run->rootfs;
	for (long n = 1; n <= 3; n++) {
		atomic_store(&faults->count, 0);
		atomic_store(&faults->at, n);
		CHECK(run, agent_call(run, "AddSwapPath", &req, NULL) < 0);
		atomic_store(&faults->at, 0);
		CHECK(run, same_as(run, before));
	}
}

/* ---- The sandbox ---- */

static long sandbox_n; /* the next to fail; 0: all have */

/* An agent has one sandbox: where a failure does not matter to it, the next agent goes on. */
static void one_sandbox(struct agent_run *run)
{
	static const struct operation create = { "CreateSandbox", agent_create_sandbox, NULL,
						 false };
	auto_free char *before = settled(run);

	for (; sandbox_n > 0 && sandbox_n <= N_MAX; sandbox_n++) {
		struct err ignored = ERR_INIT;
		bool failed;

		memset(faults->name, 0, sizeof(faults->name));
		atomic_store(&faults->count, 0);
		atomic_store(&faults->at, sandbox_n);
		failed = create.call(run) < 0;
		atomic_store(&faults->at, 0);
		if (!failed && atomic_load(&faults->count) < sandbox_n) {
			print_message("%s: %ld calls failed in turn\n", create.name, sandbox_n - 1);
			sandbox_n = 0;
			return;
		}
		if (!failed) {
			sandbox_n++;
			return;
		}
		/* The next sandbox begins with an empty directory: what is in it now does not count. */
		CHECK(run, path_remove_tree(AT_FDCWD, run->run_dir, &ignored) == 0);
		if (!same_as(run, before)) {
			print_message("%s: call %ld, %s: %s\n", create.name, sandbox_n,
				      faults->name, run->e.text);
			agent_note_failure(__FILE__, __LINE__, "something is left", "");
			sandbox_n = 0;
			return;
		}
	}
}

static void test_create_sandbox(void **state)
{
	int before = agent_failures;

	(void)state;
	for (sandbox_n = 1; sandbox_n > 0 && agent_failures == before;)
		agent_test_bare(one_sandbox);
	assert_int_equal(agent_failures, before);
}

AGENT_TEST(create_container)
AGENT_TEST(start_container)
AGENT_TEST(exec_process)
AGENT_TEST(calls_without_a_trace)
AGENT_TEST(add_swap)

static int share_faults(void)
{
	char path[] = "/tmp/husk-faults-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	void *at;

	if (fd < 0 || ftruncate(fd, sizeof(*faults)) < 0)
		return -1;
	at = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (at == MAP_FAILED)
		return -1;
	faults = at;
	return setenv(FAULTS_ENV, path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_container),
		cmocka_unit_test(test_start_container),
		cmocka_unit_test(test_exec_process),
		cmocka_unit_test(test_calls_without_a_trace),
		cmocka_unit_test(test_add_swap),
		cmocka_unit_test(test_create_sandbox),
	};
	int failed;

	if (agent_tests_skipped())
		return AGENT_SKIPPED;
	if (share_faults() < 0 || setenv("HUSK_AGENT", FAULTY_AGENT, 1) < 0) {
		perror("share the faults with the agent");
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(getenv(FAULTS_ENV));
	return failed;
}

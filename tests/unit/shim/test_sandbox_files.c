/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the host that a spec names: they may be on a server that does not answer. */
#include "tests/lib/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"
#include "tests/unit/shim/sandbox_case.h"

enum look {
	LOOK_VOLUME = 1 << 0,
	LOOK_NAME_SERVERS = 1 << 1,
	LOOK_SHM = 1 << 2,
	LOOK_ALL = LOOK_VOLUME | LOOK_NAME_SERVERS | LOOK_SHM,
};

static struct {
	unsigned looks;
	bool on_loop;
} seen;

/* The server of the volumes does not answer until there is something in the pipe. */
static struct {
	int pipe[2]; /* 0: it answers */
	unsigned held;
	bool for_good;
} server;

static void note_look(enum look look)
{
	seen.looks |= look;
	seen.on_loop |= gettid() == getpid();
}

static void hold_up(void)
{
	struct pollfd p = { .fd = server.pipe[0], .events = POLLIN };

	if (p.fd == 0)
		return;
	__atomic_add_fetch(&server.held, 1, __ATOMIC_SEQ_CST);
	if (poll(&p, 1, PATIENCE_MS) == 0)
		server.for_good = true;
}

int __real_host_mounts_open(const char *path, int flags, struct err *e);
int __wrap_host_mounts_open(const char *path, int flags, struct err *e);
int __wrap_host_mounts_open(const char *path, int flags, struct err *e)
{
	if (strcmp(path, SANDBOX_VOLUME) == 0) {
		note_look(LOOK_VOLUME);
		hold_up();
	}
	return __real_host_mounts_open(path, flags, e);
}

int __real_file_read(int dir, const char *path, size_t max, char **ret, size_t *ret_len,
		     struct err *e);
int __wrap_file_read(int dir, const char *path, size_t max, char **ret, size_t *ret_len,
		     struct err *e);
int __wrap_file_read(int dir, const char *path, size_t max, char **ret, size_t *ret_len,
		     struct err *e)
{
	if (strcmp(path, SANDBOX_VOLUME) == 0)
		note_look(LOOK_NAME_SERVERS);
	return __real_file_read(dir, path, max, ret, ret_len, e);
}

int __real_statvfs(const char *path, struct statvfs *ret);
int __wrap_statvfs(const char *path, struct statvfs *ret);
int __wrap_statvfs(const char *path, struct statvfs *ret)
{
	note_look(LOOK_SHM);
	return __real_statvfs(path, ret);
}

static void test_looked_at_by_workers(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(whole_life, NULL);
	assert_ok(t.result, &t.e);
	assert_int_equal(seen.looks, LOOK_ALL);
	assert_false(seen.on_loop);
}

struct making {
	struct sandbox *s;
	const struct oci_spec *spec;
	char id[8];
	struct sandbox_container *container;
	int result;
	struct err e;
};

static void make(void *arg)
{
	struct making *m = arg;
	const struct container_params p = { .id = m->id, .bundle = t.bundle, .spec = m->spec };

	m->result = sandbox_create_container(m->s, &p, deadline_in_ms(PATIENCE_MS), &m->container,
					     &m->e);
}

/* One less than there are workers. */
static void make_all(struct making making[static WORK_THREADS - 1], struct sandbox *s,
		     const struct oci_spec *spec, struct fiber_group *group)
{
	for (size_t i = 0; i < WORK_THREADS - 1; i++) {
		making[i].s = s;
		making[i].spec = spec;
		making[i].result = -2;
		(void)snprintf(making[i].id, sizeof(making[i].id), "m%zu", i);
		fiber_group_start(group, "create", make, &making[i]);
	}
}

static void nothing(void *arg)
{
	(void)arg;
}

static void files_on_a_dead_server(void *arg)
{
	struct making making[WORK_THREADS - 1] = { 0 };
	struct container_params more = { .id = "more", .bundle = t.bundle, .spec = t.spec };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	if (pipe(server.pipe) < 0)
		abort();
	make_all(making, s, t.spec, &group);
	while (__atomic_load_n(&server.held, __ATOMIC_SEQ_CST) < ARRAY_LEN(making))
		if (fiber_sleep_ms(10, &e) < 0)
			abort();
	t.second = sandbox_create_container(s, &more, deadline_in_ms(100), &c, &t.e);
	work_run(nothing, NULL);
	t.ok = !server.for_good && write(server.pipe[1], "x", 1) == 1;
	fiber_group_wait(&group);
	for (size_t i = 0; i < ARRAY_LEN(making); i++) {
		t.ok = t.ok && making[i].result == 0;
		if (making[i].result == 0)
			sandbox_remove_container(making[i].container, deadline_in_ms(PATIENCE_MS));
	}
	sandbox_free(s);
	for (int i = 0; i < 2; i++)
		(void)close(server.pipe[i]);
	memset(&server, 0, sizeof(server));
}

/* They hold workers for good: not all of them, without which no container could even end. */
static void test_files_on_a_dead_server(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(files_on_a_dead_server, NULL);
	assert_int_equal(t.result, 0);
	assert_true(t.ok);
	assert_int_equal(t.second, -1);
	assert_int_equal(t.e.code, ERR_TIMEOUT);
	assert_string_equal(t.e.text,
			    "create container more: wait for the files of 3 other containers: "
			    "timed out");
}

/* It is to be freed, and its Create does not come back: who waits for that is told what for. */
static void ends_with_files_on_a_dead_server(void *arg)
{
	struct making making = { .spec = t.spec, .id = "m0" };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	if (pipe(server.pipe) < 0)
		abort();
	making.s = s;
	fiber_group_start(&group, "create", make, &making);
	while (__atomic_load_n(&server.held, __ATOMIC_SEQ_CST) == 0)
		if (fiber_sleep_ms(10, &e) < 0)
			abort();
	sandbox_stop(s);
	t.second = sandbox_wait_left(s, deadline_in_ms(GIVES_UP_MS), &t.why);
	t.ok = write(server.pipe[1], "x", 1) == 1;
	t.result = sandbox_wait_left(s, deadline_in_ms(PATIENCE_MS), &t.e);
	fiber_group_wait(&group);
	t.ok = t.ok && making.result == -1;
	sandbox_free(s);
	for (int i = 0; i < 2; i++)
		(void)close(server.pipe[i]);
	memset(&server, 0, sizeof(server));
}

static void test_ends_with_files_on_a_dead_server(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(ends_with_files_on_a_dead_server, NULL);
	assert_ok(t.result, &t.e);
	assert_true(t.ok);
	assert_int_equal(t.second, -1);
	assert_string_equal(t.why.text, "wait for 1 calls in it, 1 of which look at a container's "
					"files: timed out");
}

/* createRuntime: it notes in the bundle that it runs, and waits there for a file. */
static char *const hanging[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
				 (char *)(uintptr_t) "echo >>begun; until test -e go; do sleep "
						     "0.05; done",
				 NULL };

static bool all_hang(const char *begun)
{
	struct stat st;

	return stat(begun, &st) == 0 && st.st_size >= WORK_THREADS - 1;
}

static void hooks_that_hang(void *arg)
{
	struct oci_hook hook = {
		.path = (char *)(uintptr_t) "/bin/sh",
		.args = (char **)(uintptr_t)hanging,
		.has_timeout = true,
		.timeout = 10 * PATIENCE_MS / 1000,
	};
	struct making making[WORK_THREADS - 1] = { 0 };
	struct container_params more = { .id = "more", .bundle = t.bundle, .spec = t.spec };
	auto_free char *begun = path_join(t.bundle, "begun");
	auto_free char *go = path_join(t.bundle, "go");
	struct fiber_group group = FIBER_GROUP_INIT;
	struct oci_spec spec = *t.spec;
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	spec.hooks.create_runtime = &hook;
	spec.hooks.n_create_runtime = 1;
	make_all(making, s, &spec, &group);
	while (!all_hang(begun))
		if (fiber_sleep_ms(10, &e) < 0)
			abort();
	t.second = sandbox_create_container(s, &more, deadline_in_ms(PATIENCE_MS / 2), &c, &t.e);
	if (t.second == 0)
		sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
	t.ok = true;
	for (size_t i = 0; i < ARRAY_LEN(making); i++)
		t.ok = t.ok && making[i].result == -2;
	if (mkdir(go, 0700) < 0)
		abort();
	fiber_group_wait(&group);
	for (size_t i = 0; i < ARRAY_LEN(making); i++) {
		t.ok = t.ok && making[i].result == 0;
		if (making[i].result == 0)
			sandbox_remove_container(making[i].container, deadline_in_ms(PATIENCE_MS));
	}
	sandbox_free(s);
}

/* They are no work for a worker. */
static void test_hooks_that_hang(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(hooks_that_hang, NULL);
	assert_int_equal(t.result, 0);
	assert_ok(t.second, &t.e);
	assert_true(t.ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_looked_at_by_workers),
		CASE(test_hooks_that_hang),
		CASE(test_files_on_a_dead_server),
		CASE(test_ends_with_files_on_a_dead_server),
	};

	return cmocka_run_group_tests_name("sandbox files", tests, group_set_up, group_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the host that a spec names: they may be on a server that does not answer. */
#include "tests/lib/test.h"

#include <poll.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
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
	char id[8];
	struct sandbox_container *container;
	int result;
	struct err e;
};

static void make(void *arg)
{
	struct making *m = arg;
	const struct container_params p = { .id = m->id, .bundle = t.bundle, .spec = t.spec };

	m->result = sandbox_create_container(m->s, &p, deadline_in_ms(PATIENCE_MS), &m->container,
					     &m->e);
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
	for (size_t i = 0; i < ARRAY_LEN(making); i++) {
		making[i].s = s;
		(void)snprintf(making[i].id, sizeof(making[i].id), "m%zu", i);
		fiber_group_start(&group, "create", make, &making[i]);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_looked_at_by_workers),
		CASE(test_files_on_a_dead_server),
	};

	return cmocka_run_group_tests_name("sandbox files", tests, group_set_up, group_tear_down);
}

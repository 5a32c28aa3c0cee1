/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_AGENT_HARNESS_H
#define HUSK_TESTS_AGENT_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent.pb-c.h"
#include "common/async/child.h"
#include "common/base/mem.h"
#include "common/rpc/client.h"

/*
 * A real husk-agent as a process of this machine, in a network namespace of its own, a busybox root file system, and short names for
 * the calls a host makes. Everything here runs in a fiber; cmocka's assertions must not jump out of
 * one, so a failed check is noted and the test's main() looks at the notes.
 */
struct agent_run {
	char *dir; /* temporary; holds all the rest */
	char *socket, *run_dir, *rootfs, *log;
	struct child *agent;
	struct rpc_client *client;
	struct err e; /* of the last call */
};

extern int agent_failures;
void agent_note_failure(const char *file, int line, const char *what, const char *why);

/* Note it and leave the test function. */
#define CHECK(run, condition)                                                              \
	do {                                                                               \
		if (!(condition)) {                                                        \
			agent_note_failure(__FILE__, __LINE__, #condition, (run)->e.text); \
			return;                                                            \
		}                                                                          \
	} while (0)
/* The last call failed with this code and a text with `part` in it. */
#define CHECK_ERR(run, call, want, part)                           \
	do {                                                       \
		(run)->e = ERR_INIT;                               \
		CHECK(run, (call) < 0);                            \
		CHECK(run, (run)->e.code == (want));               \
		CHECK(run, strstr((run)->e.text, (part)) != NULL); \
	} while (0)

typedef void (*agent_test_fn)(struct agent_run *run);

/* In a loop of its own: start an agent, create a sandbox, run `fn`, end both, look what is left. */
void agent_test(agent_test_fn fn);
/* The same without a sandbox. */
void agent_test_bare(agent_test_fn fn);
/* As agent_test() creates it: with a tmpfs for /dev/shm. */
int agent_create_sandbox(struct agent_run *run);

/* test_<name>() for cmocka, which runs <name>() so; for a program with tests/lib/test.h. */
#define AGENT_TEST(name)                                  \
	static void test_##name(void **state)             \
	{                                                 \
		int before = agent_failures;              \
		(void)state;                              \
		agent_test(name);                         \
		assert_int_equal(agent_failures, before); \
	}

#define AGENT_SKIPPED 77 /* of automake's test driver */
/* Says why the tests cannot run here, if they cannot. */
bool agent_tests_skipped(void);

#define TEXT_IS(buf, text) ((buf).len == strlen(text) && memcmp((buf).data, text, (buf).len) == 0)

#define SECONDS(n) deadline_in_ms((n)*1000LL)

int agent_call(struct agent_run *run, const char *method, const void *req, void *ret_resp);
int agent_reconnect(struct agent_run *run);

struct agent_container {
	const char *id;
	const char *const *args; /* NULL-terminated */
	bool terminal;
	bool sandbox_pidns;
	bool in_pod;        /* one of a pod's that has no pause container */
	const char *rootfs; /* NULL: the run's */
	Grpc__Storage **storages;
	size_t n_storages;
	Grpc__LinuxResources *resources;
	Grpc__SharedMount **shared_mounts;
	size_t n_shared_mounts;
};

int agent_create(struct agent_run *run, const struct agent_container *c);
int agent_start(struct agent_run *run, const char *id);
/* Both, with `sh -c script`. */
int agent_run_script(struct agent_run *run, const char *id, const char *script);
int agent_exec(struct agent_run *run, const char *id, const char *exec_id, const char *script);
int agent_exec_args(struct agent_run *run, const char *id, const char *exec_id,
		    const char *const *args, bool terminal);
int agent_signal(struct agent_run *run, const char *id, const char *exec_id, uint32_t sig);
int agent_wait(struct agent_run *run, const char *id, const char *exec_id, int *ret_code);
int agent_remove(struct agent_run *run, const char *id);
int agent_write(struct agent_run *run, const char *id, const char *exec_id, const void *data,
		size_t len);
int agent_close_stdin(struct agent_run *run, const char *id, const char *exec_id);
int agent_resize(struct agent_run *run, const char *id, const char *exec_id, uint32_t rows,
		 uint32_t columns);
/* One read: *ret for free(). */
int agent_read(struct agent_run *run, const char *method, const char *id, const char *exec_id,
	       uint32_t len, char **ret, size_t *ret_len);
/* To the end. */
int agent_read_all(struct agent_run *run, const char *method, const char *id, const char *exec_id,
		   struct buf *ret);

/* Run a script in a container of its own; its stdout and exit code. */
int agent_output(struct agent_run *run, const char *id, const char *script, struct buf *ret,
		 int *ret_code);

unsigned agent_open_fds(const struct agent_run *run);

#endif

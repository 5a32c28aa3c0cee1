/* SPDX-License-Identifier: Apache-2.0 */
/* Projected volumes of a pod: when the guest is sent what, and what failures do. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/projections.h"
#include "tests/unit/shim/projected_volume.h"

static struct {
	struct projections p;
	struct undo undo;
	unsigned puts, fail; /* calls of the agent; how many more of them fail */
	char last[64];       /* the set that was sent last, and how many files */
	/* Asserted on the test's own stack. */
	const char *problem;
} t;

#define CHECK(condition)                        \
	do {                                    \
		if (!(condition)) {             \
			t.problem = #condition; \
			return;                 \
		}                               \
	} while (0)

static int put(void *arg, const Husk__PutRequest *req, struct deadline d, struct err *e)
{
	(void)arg;
	(void)d;
	t.puts++;
	if (t.fail > 0) {
		t.fail--;
		return err_set(e, ERR_TIMEOUT, "no answer");
	}
	(void)snprintf(t.last, sizeof(t.last), "%s %zu", req->set, req->n_files);
	return 0;
}

static void start(void)
{
	const struct projection_sender to = { .put = put };

	t.p = PROJECTIONS_INIT;
	projections_start(&t.p, &to, &t.undo);
}

static int bring(char **ret, struct err *e)
{
	*ret = NULL;
	*e = ERR_INIT;
	return projections_bring(&t.p, volume.kubelet, volume.path, DEADLINE_NEVER, ret, e);
}

/* Wait for `puts` calls altogether, in looks of a second each. */
static bool come(unsigned puts)
{
	struct deadline d = deadline_in_ms(PATIENCE_MS);
	struct err e = ERR_INIT;

	while (t.puts < puts && !deadline_passed(d))
		if (fiber_sleep_ms(10, &e) < 0)
			return false;
	return t.puts == puts;
}

static bool stays(unsigned puts)
{
	struct err e = ERR_INIT;

	return fiber_sleep_ms(PROJECTIONS_LOOK_MS * 5 / 2, &e) == 0 && t.puts == puts;
}

static void life(void *arg)
{
	auto_free char *path = NULL, *again = NULL;
	auto_free char *set = path_join(volume.path, "..2");
	struct err e;

	(void)arg;
	start();
	volume_switch(1, 1);
	CHECK(bring(&path, &e) == 1);
	CHECK(strcmp(path, PROJECTIONS_GUEST_DIR "/u_c") == 0);
	CHECK(t.puts == 1 && strcmp(t.last, "..1 4") == 0);
	/* Another container: it is there. */
	CHECK(bring(&again, &e) == 1);
	CHECK(strcmp(again, path) == 0 && t.puts == 1);
	CHECK(stays(1));
	volume_switch(2, 2);
	CHECK(come(2) && strcmp(t.last, "..2 5") == 0);
	/* Owners and modes that come behind the rename. */
	CHECK(chmod(set, 0700) == 0);
	CHECK(come(3) && strcmp(t.last, "..2 5") == 0);
	CHECK(stays(3));
}

static void failures(void *arg)
{
	auto_free char *path = NULL;
	auto_free char *away = xasprintf("%s/away", volume.kubelet);
	struct err e;

	(void)arg;
	start();
	volume_switch(1, 1);
	t.fail = 1;
	CHECK(bring(&path, &e) == -1 && e.code == ERR_TIMEOUT && !path);
	CHECK(!t.p.first && !t.p.watch.first);
	CHECK(bring(&path, &e) == 1 && t.puts == 2);
	/* Sent again until the guest has it. */
	t.fail = 2;
	volume_switch(2, 1);
	CHECK(come(5) && strcmp(t.last, "..2 4") == 0);
	/* Away and back. */
	CHECK(rename(volume.path, away) == 0);
	CHECK(stays(5));
	CHECK(rename(away, volume.path) == 0);
	volume_switch(3, 1);
	CHECK(come(6) && strcmp(t.last, "..3 4") == 0);
	/* Too large: the guest keeps what it has, and gets the next one. */
	volume_switch(4, PROJECTION_ENTRIES_MAX);
	CHECK(stays(6));
	volume_switch(5, 1);
	CHECK(come(7) && strcmp(t.last, "..5 4") == 0);
}

static void none(void *arg)
{
	auto_free char *path = NULL;
	struct err e;

	(void)arg;
	/* An agent that does not know them. */
	volume_switch(1, 1);
	CHECK(bring(&path, &e) == 0);
	start();
	CHECK(projections_bring(&t.p, "/elsewhere", volume.path, DEADLINE_NEVER, &path, &e) == 0);
	/* One that cannot be copied stays so: its containers have the same. */
	volume_switch(2, PROJECTION_ENTRIES_MAX);
	CHECK(bring(&path, &e) == 0);
	volume_switch(3, 1);
	CHECK(bring(&path, &e) == 0);
	CHECK(!path && t.puts == 0 && !t.p.watch.first);
}

static void missing(void *arg)
{
	auto_free char *path = NULL;
	struct err e;

	(void)arg;
	start();
	CHECK(rmdir(volume.path) == 0);
	CHECK(bring(&path, &e) == -1 && e.code == ERR_NOT_FOUND);
	CHECK(!t.p.first);
}

static void ended(void *arg)
{
	auto_free char *path = NULL;
	struct err e;

	(void)arg;
	start();
	volume_switch(1, 1);
	undo_run(&t.undo);
	CHECK(bring(&path, &e) == 0);
}

static void run(void *arg)
{
	void (*const *scenario)(void *) = arg;

	(*scenario)(NULL);
	undo_run(&t.undo);
	projections_done(&t.p);
}

static void run_scenario(void (*scenario)(void *))
{
	memset(&t, 0, sizeof(t));
	fiber_main(run, &scenario);
	if (t.problem)
		fail_msg("%s; %u calls, the last '%s'", t.problem, t.puts, t.last);
}

#define SCENARIO(name)                        \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		run_scenario(name);           \
	}
SCENARIO(life)
SCENARIO(failures)
SCENARIO(none)
SCENARIO(missing)
SCENARIO(ended)

#define CASE(name) cmocka_unit_test_setup_teardown(name, volume_set_up, volume_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_life),    CASE(test_failures), CASE(test_none),
		CASE(test_missing), CASE(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

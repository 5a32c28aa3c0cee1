/* SPDX-License-Identifier: Apache-2.0 */
/* The pid namespace that the containers of a pod share. As test_agent.c. */
#include "tests/lib/test.h"

#include "tests/component/agent_harness.h"

/* Without a pause container the namespace has an init of its own and outlives each container. */
static void with_an_init_of_its_own(struct agent_run *run)
{
	static const char *const wait[] = { "sleep", "100", NULL };
	static const char show[] = "cat /proc/1/cmdline; ls -A /proc/1/root >/dev/null 2>&1 && "
				   "test -e /proc/1/root/bin && echo open;"
				   "readlink /proc/self/ns/pid; kill -0 2 && echo both";
	const struct agent_container alone = { .id = "c0", .args = wait, .in_pod = true };
	const struct agent_container first = {
		.id = "c1", .args = wait, .in_pod = true, .sandbox_pidns = true
	};
	const char *const args[] = { "sh", "-c", show, NULL };
	struct agent_container next = {
		.id = "c2", .args = args, .in_pod = true, .sandbox_pidns = true
	};
	auto_buf struct buf seen = BUF_INIT;
	auto_buf struct buf later = BUF_INIT;

	CHECK(run, agent_create(run, &alone) == 0);
	CHECK(run, agent_create(run, &first) == 0);
	CHECK(run, agent_start(run, "c1") == 0);
	CHECK(run, agent_create(run, &next) == 0);
	CHECK(run, agent_start(run, "c2") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c2", "", &seen) == 0);
	CHECK(run, memmem(seen.data, seen.len, "pod-init", 8) != NULL);
	CHECK(run, memmem(seen.data, seen.len, "open", 4) == NULL);
	CHECK(run, memmem(seen.data, seen.len, "both\n", 5) != NULL);
	CHECK(run, agent_remove(run, "c1") == 0);
	next.id = "c3";
	CHECK(run, agent_create(run, &next) == 0);
	CHECK(run, agent_start(run, "c3") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c3", "", &later) == 0);
	CHECK(run, later.len > 5 && later.len == seen.len - 5 &&
			   memcmp(seen.data, later.data, later.len) == 0);
	CHECK(run, agent_remove(run, "c3") == 0);
	CHECK(run, agent_remove(run, "c2") == 0);
	CHECK(run, agent_remove(run, "c0") == 0);
}

AGENT_TEST(with_an_init_of_its_own)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_an_init_of_its_own),
	};

	if (agent_tests_skipped())
		return AGENT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which processors and blocks of memory are taken into use, in a tree of the test's own. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/guest/online.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static char sys[64];

static int make_tree(void **state)
{
	(void)state;
	(void)snprintf(sys, sizeof(sys), "/tmp/husk-online-XXXXXX");
	return mkdtemp(sys) ? 0 : -1;
}

static int remove_tree(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, sys, &e);
}

/* text NULL: a directory without the file. */
static void put(const char *kind, const char *name, const char *text)
{
	auto_free char *dir = xasprintf("%s/devices/system/%s/%s", sys, kind, name);
	auto_free char *path = path_join(dir, "online");
	struct err e = ERR_INIT;
	auto_close int fd = -1;

	assert_int_equal(path_mkdirs(dir, 0755, &e), 0);
	if (!text)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

/* How many of cpu1 to cpu3, or memory1 to memory3, are on. */
static int count(const char *kind)
{
	int on = 0;

	for (int i = 1; i <= 3; i++) {
		auto_free char *path =
			xasprintf("%s/devices/system/%s/%s%d/online", sys, kind, kind, i);
		auto_free char *state = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(file_read_line(AT_FDCWD, path, &state, &e), 0);
		on += strcmp(state, "1") == 0;
	}
	return on;
}

static void processors(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	put("cpu", "cpu0", NULL); /* the boot processor */
	put("cpu", "cpu1", "0");
	put("cpu", "cpu2", "1");
	put("cpu", "cpu3", "0");
	put("cpu", "cpufreq", "0");
	assert_int_equal(online_cpus(sys, 2, deadline_in_ms(0), &e), 0);
	assert_int_equal(count("cpu"), 1);
	assert_int_equal(online_cpus(sys, 3, deadline_in_ms(0), &e), 0);
	assert_int_equal(count("cpu"), 2);
	assert_int_equal(online_cpus(sys, 5, deadline_in_ms(0), &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_string_equal(e.text, "4 processors are online, not 5");
	assert_int_equal(count("cpu"), 3);
}

static void takes_as_many_processors_as_asked_for(void **state)
{
	(void)state;
	fiber_main(processors, NULL);
}

static void memory(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	assert_int_equal(online_memory(sys, &e), 0); /* no hot-plug, no blocks */
	put("memory", "memory1", "0");
	put("memory", "memory2", "1");
	put("memory", "memory3", "0");
	assert_int_equal(online_memory(sys, &e), 0);
	assert_int_equal(count("memory"), 3);
}

static void takes_all_memory(void **state)
{
	(void)state;
	fiber_main(memory, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_as_many_processors_as_asked_for, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(takes_all_memory, make_tree, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

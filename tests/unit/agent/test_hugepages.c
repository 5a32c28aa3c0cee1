/* SPDX-License-Identifier: Apache-2.0 */
/* What is written for a volume of huge pages, to a tree of the test's own. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/hugepages.h"
#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define PAGES "kernel/mm/hugepages/hugepages-2048kB"

static char sys[64];
static char *file;

static int make_tree(void **state)
{
	auto_free char *dir = NULL;
	struct err e = ERR_INIT;

	(void)state;
	(void)snprintf(sys, sizeof(sys), "/tmp/husk-hugepages-XXXXXX");
	assert_non_null(mkdtemp(sys));
	dir = path_join(sys, PAGES);
	assert_int_equal(path_mkdirs(dir, 0755, &e), 0);
	file = path_join(dir, "nr_hugepages");
	return 0;
}

static int remove_tree(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(file);
	return path_remove_tree(AT_FDCWD, sys, &e);
}

static void set_pages(const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void assert_pages(const char *want)
{
	auto_free char *line = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(file_read_line(AT_FDCWD, file, &line, &e), 0);
	assert_string_equal(line, want);
}

static int reserve(const char *page_size, const char *size, struct undo *u, struct err *e)
{
	char *const options[] = { (char *)(uintptr_t) "rw", (char *)(uintptr_t)page_size,
				  (char *)(uintptr_t)size };

	*e = ERR_INIT;
	return hugepages_reserve(sys, options, ARRAY_LEN(options), u, e);
}

/* Volumes do not take pages from each other, nor from what the guest booted with. */
static void test_adds_and_gives_back(void **state)
{
	struct undo u = UNDO_INIT;
	struct err e;

	(void)state;
	set_pages("1\n");
	assert_int_equal(reserve("pagesize=2097152", "size=4194304", &u, &e), 0);
	assert_pages("3");
	assert_int_equal(reserve("pagesize=2097152", "size=8388608", &u, &e), 0);
	assert_pages("7");
	assert_int_equal(reserve("pagesize=2097152,size=2097152", "x", &u, &e), 0);
	assert_int_equal(reserve("mode=700,size=2097152,pagesize=2097152,", "x", &u, &e), 0);
	assert_pages("9");
	undo_run(&u);
	assert_pages("1");
}

static struct undo by_fibers;
static int failures; /* seen by fibers, which cannot leave by an assert */

static void reserve_two(void *arg)
{
	struct err e;

	(void)arg;
	if (reserve("pagesize=2097152", "size=4194304", &by_fibers, &e) < 0)
		failures++;
}

static void reserve_side_by_side(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	for (int i = 0; i < 4; i++)
		fiber_group_start(&g, "reserve", reserve_two, arg);
	fiber_group_wait(&g);
}

static void test_none_is_lost_between_fibers(void **state)
{
	(void)state;
	by_fibers = UNDO_INIT;
	failures = 0;
	set_pages("1\n");
	fiber_main(reserve_side_by_side, NULL);
	assert_int_equal(failures, 0);
	assert_pages("9");
	undo_run(&by_fibers);
	assert_pages("1");
}

/* The kernel, where the file is a fifo: nobody's read or write of it ends before this comes by. */
static void answer_slowly(void *arg)
{
	auto_free char *line = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	set_pages("1\n");
	if (file_read_line(AT_FDCWD, file, &line, &e) < 0 || strcmp(line, "3") != 0)
		failures++;
	set_pages("3\n");
}

static void reserve_from_a_slow_kernel(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	fiber_group_start(&g, "reserve", reserve_two, NULL);
	fiber_yield();
	work_run(answer_slowly, arg);
	fiber_group_wait(&g);
}

static void test_holds_nobody_up(void **state)
{
	(void)state;
	by_fibers = UNDO_INIT;
	failures = 0;
	assert_int_equal(mkfifo(file, 0600), 0);
	(void)alarm(PATIENCE_MS / 1000);
	fiber_main(reserve_from_a_slow_kernel, NULL);
	(void)alarm(0);
	assert_int_equal(failures, 0);
	assert_int_equal(by_fibers.n, 1);
	assert_int_equal(unlink(file), 0);
	set_pages("3\n");
	undo_run(&by_fibers);
	assert_pages("1");
}

static void test_refuses(void **state)
{
	static const char *const rows[][2] = {
		{ "pagesize=2097152", "x" },
		{ "pagesize=2097152", "size=x" },
		{ "x", "size=4194304" },
		{ "pagesize=0", "size=4194304" },
		{ "pagesize=2M", "size=4M" },
		{ "pagesize=4096", "size=4194304" },
		{ "pagesize=-1", "size=1024" },
		{ "pagesize=2097152,size=x", "x" },
		{ "pagesize=2097152", "nosize=4194304" },
	};
	struct undo u = UNDO_INIT;
	struct err e;

	(void)state;
	set_pages("1\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(reserve(rows[i][0], rows[i][1], &u, &e), -1);
		assert_true(e.text[0] != '\0');
	}
	assert_int_equal(u.n, 0);
	assert_pages("1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_adds_and_gives_back, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_none_is_lost_between_fibers, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(test_holds_nobody_up, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_refuses, make_tree, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

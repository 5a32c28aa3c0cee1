/* SPDX-License-Identifier: Apache-2.0 */
/* The console ring: lines, limits, what a hostile writer sends. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "hypervisor/console.h"

struct tail_case {
	const char *name, *bytes, *want;
	size_t max;
};

static const struct tail_case tails[] = {
	{ "nothing", "", "", 100 },
	{ "one line", "hello\n", "hello", 100 },
	{ "two lines", "a\nb\n", "a | b", 100 },
	{ "carriage returns", "a\r\nb\r\n", "a | b", 100 },
	{ "unfinished", "a\nlogin: ", "a | login: ", 100 },
	{ "empty lines go", "a\n\n\n  \nb\n", "a | b", 100 },
	{ "oldest go first", "aaaa\nbbbb\ncccc\n", "bbbb | cccc", 11 },
	{ "one short of fitting", "aaaa\nbbbb\ncccc\n", "cccc", 10 },
	{ "the newest is there, cut", "aaaa\nbbbbbbbb\n", "bbb", 3 },
	{ "colours", "\033[1;31mred\033[0m\n", "red", 100 },
	{ "window title", "\033]0;title\atext\n", "text", 100 },
	{ "title without an end", "\033]0;title\nKernel panic\n", "Kernel panic", 100 },
	{ "newline in a sequence", "\033[12\nafter\n", "after", 100 },
	{ "control bytes", "a\001b\177c\bd\n", "abcd", 100 },
	{ "tab", "a\tb\n", "a b", 100 },
	{ "UTF-8 stays", "gr\303\274n \342\202\254 \360\237\220\247\n",
	  "gr\303\274n \342\202\254 \360\237\220\247", 100 },
	{ "what is not UTF-8 goes", "a\377b\300\200c\342\202\n", "abc", 100 },
	{ "nor do surrogates stay, or what is too long", "a\355\240\200b\340\200\257c\n", "abc",
	  100 },
	{ "unfinished is cleaned too", "a\342\202", "a", 100 },
	{ "a cut character goes", "\342\202\254\342\202\254\n", "\342\202\254", 5 },
	{ "panic is the last word",
	  "init died\n[ 1.5] Kernel panic - not syncing: Attempted to kill init!\nCPU: 0\nRIP: 7\n",
	  "init died | [ 1.5] Kernel panic - not syncing: Attempted to kill init!", 100 },
};

static void test_tail(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		const struct tail_case *t = &tails[i];

		/* In one piece and byte by byte: where the reads fall is chance. */
		for (size_t step = 1; step <= 1000; step *= 1000) {
			struct console c = CONSOLE_INIT;
			auto_buf struct buf out = BUF_INIT;
			size_t len = strlen(t->bytes);

			for (size_t at = 0; at < len; at += step)
				console_feed(&c, t->bytes + at, len - at < step ? len - at : step);
			console_tail(&c, t->max, &out);
			if (strcmp(out.len > 0 ? out.data : "", t->want) != 0)
				fail_msg("%s: '%s', want '%s'", t->name, out.data, t->want);
			console_done(&c);
		}
	}
}

/* No newline at all: cut into lines of the limit, and never more kept than the room. */
static void test_endless_line(void **state)
{
	struct console c = CONSOLE_INIT;
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++)
		console_feed(&c, "x", 1);
	assert_true(c.ring.len <= CONSOLE_ROOM);
	assert_true(c.ring.len >= CONSOLE_ROOM / 4);
	console_tail(&c, CONSOLE_LINE_MAX + 10, &out);
	assert_int_equal(strspn(out.data, "x| "), out.len);
	console_done(&c);
}

static void test_newest_lines_stay(void **state)
{
	struct console c = CONSOLE_INIT;
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		char line[32];

		console_feed(&c, line, (size_t)snprintf(line, sizeof(line), "line %d\n", i));
		assert_true(c.ring.len <= CONSOLE_ROOM);
	}
	console_tail(&c, 25, &out);
	assert_string_equal(out.data, "line 4998 | line 4999");
	console_done(&c);
}

static void count_line(const char *line, void *arg)
{
	int *n = arg;

	assert_true(strlen(line) <= CONSOLE_LINE_MAX);
	++*n;
}

static void test_lines_are_told(void **state)
{
	struct console c = CONSOLE_INIT;
	int n = 0;

	(void)state;
	c.on_line = count_line;
	c.arg = &n;
	console_feed(&c, "a\nb\n\nc", 6);
	assert_int_equal(n, 2);
	console_feed(&c, "\n", 1);
	assert_int_equal(n, 3);
	console_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_newest_lines_stay),
		cmocka_unit_test(test_lines_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

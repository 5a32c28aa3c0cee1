/* SPDX-License-Identifier: Apache-2.0 */
/* Partition tables: the layout, and what sfdisk, which checks both copies, makes of them. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "shim/storage/gpt.h"

#define MIB (1ull << 20)

static const uint8_t id[16] = "0123456789abcde";

static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(gpt_crc32((const uint8_t *)"123456789", 9), 0xCBF43926);
	assert_int_equal(gpt_crc32((const uint8_t *)"", 0), 0);
}

static void test_layout(void **state)
{
	struct gpt_partition p[] = { { .bytes = 1, .name = "" },
				     { .bytes = MIB, .name = "" },
				     { .bytes = MIB + 513, .name = "" } };
	struct err e = ERR_INIT;
	uint64_t tail;

	(void)state;
	assert_ok(gpt_lay_out(p, 3, &tail, &e), &e);
	assert_int_equal(p[0].start, MIB);
	assert_int_equal(p[1].start, 2 * MIB);
	assert_int_equal(p[2].start, 3 * MIB);
	assert_int_equal(tail, 4 * MIB + 1024);
}

static void test_limits(void **state)
{
	struct gpt_partition p[GPT_PARTITIONS_MAX + 1];
	struct err e = ERR_INIT;
	uint64_t tail;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		p[i] = (struct gpt_partition){ .bytes = 4096, .name = "" };
	assert_ok(gpt_lay_out(p, GPT_PARTITIONS_MAX, &tail, &e), &e);
	assert_err(gpt_lay_out(p, GPT_PARTITIONS_MAX + 1, &tail, &e), &e, ERR_EXHAUSTED, "129");
	assert_err(gpt_lay_out(p, 0, &tail, &e), &e, ERR_EXHAUSTED, "0 partitions");
	p[7].bytes = 0;
	assert_err(gpt_lay_out(p, 9, &tail, &e), &e, ERR_INVALID, "partition 8 is empty");
	p[7].bytes = UINT64_MAX;
	assert_err(gpt_lay_out(p, 9, &tail, &e), &e, ERR_EXHAUSTED, "partition 8 is too large");
}

static void write_at(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	assert_true(pwrite(fd, data, len, (off_t)at) == (ssize_t)len);
}

/* What a partitioning tool says of a disk with these partitions. */
static char *sfdisk(struct gpt_partition *p, size_t n, const char *option)
{
	char path[] = "/tmp/husk-gpt-XXXXXX";
	uint8_t *head = xmalloc(GPT_HEAD_BYTES), *backup = xmalloc(GPT_TAIL_BYTES);
	auto_close int fd = mkstemp(path);
	struct err e = ERR_INIT;
	char *text = NULL;
	uint64_t tail;
	int said[2];
	pid_t pid;

	assert_true(fd >= 0);
	assert_ok(gpt_lay_out(p, n, &tail, &e), &e);
	gpt_write(p, n, tail, id, head, backup);
	write_at(fd, head, GPT_HEAD_BYTES, 0);
	write_at(fd, backup, GPT_TAIL_BYTES, tail);
	free(head);
	free(backup);
	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(said[1], 1);
		(void)dup2(said[1], 2);
		(void)execlp("sfdisk", "sfdisk", option, path, (char *)NULL);
		_exit(127);
	}
	(void)close(said[1]);
	assert_ok(fd_read_all(said[0], 1 << 20, "sfdisk", &text, NULL, &e), &e);
	(void)close(said[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)unlink(path);
	return text;
}

static bool have_sfdisk(void)
{
	return access("/sbin/sfdisk", X_OK) == 0 || access("/usr/sbin/sfdisk", X_OK) == 0;
}

static void test_a_tool_takes_it(void **state)
{
	struct gpt_partition p[GPT_PARTITIONS_MAX];
	static const size_t numbers[] = { 1, 2, 60, GPT_PARTITIONS_MAX };

	(void)state;
	if (!have_sfdisk())
		skip();
	(void)setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
		size_t n = numbers[k];
		auto_free char *verdict = NULL;

		for (size_t i = 0; i < n; i++)
			p[i] = (struct gpt_partition){ .bytes = 4096 * (i + 1), .name = "x" };
		verdict = sfdisk(p, n, "--verify");
		if (!strstr(verdict, "No errors detected"))
			fail_msg("%zu: %s", n, verdict);
	}
}

static void test_what_it_says(void **state)
{
	struct gpt_partition p[] = {
		{ .bytes = 5 * MIB + 1, .name = "erofs-0-s42" },
		{ .bytes = 8192,
		  .name = "a name that is longer than the place that there is for it" },
	};
	auto_free char *dump = NULL;

	(void)state;
	if (!have_sfdisk())
		skip();
	(void)setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	dump = sfdisk(p, 2, "-d");
	for (char *c = dump; *c; c++) /* the tool aligns numbers */
		if (c[0] == '=' && c[1] == ' ')
			memmove(c + 1, c + 1 + strspn(c + 1, " "),
				strlen(c + 1 + strspn(c + 1, " ")) + 1);
	if (!strstr(dump, "start=2048, size=10241, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4") ||
	    !strstr(dump, "name=\"erofs-0-s42\"") || !strstr(dump, "start=14336, size=16,") ||
	    !strstr(dump, "name=\"a name that is longer than the place\""))
		fail_msg("%s", dump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),          cmocka_unit_test(test_layout),
		cmocka_unit_test(test_limits),       cmocka_unit_test(test_a_tool_takes_it),
		cmocka_unit_test(test_what_it_says),
	};

	return cmocka_run_group_tests_name("partition tables", tests, NULL, NULL);
}

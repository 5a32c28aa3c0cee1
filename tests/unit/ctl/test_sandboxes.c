/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl list: whatever stands in the state directory, there is a line and never a failure. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/path.h"
#include "ctl/sandboxes.h"
#include "hypervisor/record.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-list-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static void put(const char *id, const char *text)
{
	auto_free char *parent = path_join(dir, id);
	auto_free char *path = path_join(parent, "state.json");
	FILE *f;

	assert_int_equal(mkdir(parent, 0700), 0);
	if (!text)
		return;
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void put_records(const char *id, const struct record list[static 2])
{
	auto_free char *sandbox = path_join(dir, id);
	auto_free char *run_dir = path_join(sandbox, "vm");
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(run_dir, 0700, &e), &e);
	assert_ok(records_write(run_dir, list, 2, &e), &e);
}

/* Is there a line made of exactly these words? */
static void want(const struct buf *text, const char *words)
{
	auto_buf struct buf flat = BUF_INIT;

	for (const char *p = text->data; *p; p++)
		if (*p != ' ' || p[1] != ' ')
			buf_add(&flat, p, 1);
	if (!strstr(flat.data, words))
		fail_msg("no '%s' in:\n%s", words, flat.data);
}

static void test_lines(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *mine =
		xasprintf("{\"vmm_pid\": %d, \"shim_pid\": 7, \"namespace\": \"k8s.io\","
			  " \"started\": \"2026-01-02T03:04:05Z\", \"more\": {}}",
			  (int)getpid());
	struct err e = ERR_INIT;

	(void)state;
	put("b-alive", mine);
	/* Beyond PID_MAX_LIMIT: no such process can be. */
	put("a-dead", "{\"vmm_pid\": 2000000000, \"shim_pid\": \"x\", \"namespace\": 3}");
	put("c-empty", "");
	put("d-nothing", NULL);
	put("e-huge", "{\"vmm_pid\": 99999999999999999999, \"shim_pid\": -1, \"started\": 1e400}");
	put(".hidden", NULL);
	assert_ok(sandboxes_print(dir, &text, &e), &e);
	want(&text, "\na-dead - 2000000000 - no -\nb-alive k8s.io ");
	want(&text, " 7 yes 2026-01-02T03:04:05Z\n");
	want(&text, "\nc-empty - - - - -\nd-nothing - - - - -\ne-huge - - - - -\n");
	assert_null(strstr(text.data, "hidden"));
}

/* The machine's own record of its processes counts, and a pid that was taken over is not alive. */
static void test_records(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *line = NULL;
	struct record list[2] = { { .name = "qemu", .pid = getpid() },
				  { .name = "virtiofsd", .pid = 2000000000 } };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(record_start_time(getpid(), &list[0].start_time), 0);
	put_records("a", list);
	list[0].start_time++;
	put_records("b", list);
	assert_ok(sandboxes_print(dir, &text, &e), &e);
	line = xasprintf("\na - %d - yes -\nb - %d - no -\n", (int)getpid(), (int)getpid());
	want(&text, line);
}

static void test_no_directory(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *file = path_join(dir, "file");
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(sandboxes_print("/does/not/exist", &text, &e), &e);
	want(&text, "SANDBOX NAMESPACE VMM SHIM ALIVE STARTED\n");
	(void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_err(sandboxes_print(file, &text, &e), &e, ERR_INVALID, "read directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_records, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

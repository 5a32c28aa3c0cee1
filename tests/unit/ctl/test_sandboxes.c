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
	struct err e = ERR_INIT;
	FILE *f;

	assert_ok(path_mkdirs(parent, 0700, &e), &e);
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
	auto_free char *mine = xasprintf("{\"vmm_pid\": %d, \"shim_pid\": 7, "
					 " \"started\": \"2026-01-02T03:04:05Z\", \"more\": {}}",
					 (int)getpid());
	struct err e = ERR_INIT;

	(void)state;
	put("k8s.io/b-alive", mine);
	/* Beyond PID_MAX_LIMIT: no such process can be. */
	put("k8s.io/a-dead", "{\"vmm_pid\": 2000000000, \"shim_pid\": \"x\"}");
	put("k8s.io/c-empty", "");
	put("k8s.io/d-nothing", NULL);
	put("k8s.io/e-huge",
	    "{\"vmm_pid\": 99999999999999999999, \"shim_pid\": -1, \"started\": 1e400}");
	put("k8s.io/.hidden", NULL);
	put(".hidden/x", NULL);
	assert_ok(sandboxes_print(dir, &text, &e), &e);
	want(&text, "\na-dead k8s.io 2000000000 - no -\nb-alive k8s.io ");
	want(&text, " 7 yes 2026-01-02T03:04:05Z\n");
	want(&text, "\nc-empty k8s.io - - - -\nd-nothing k8s.io - - - -\ne-huge k8s.io - - - -\n");
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
	put_records("n/a", list);
	list[0].start_time++;
	put_records("n/b", list);
	assert_ok(sandboxes_print(dir, &text, &e), &e);
	line = xasprintf("\na n %d - yes -\nb n %d - no -\n", (int)getpid(), (int)getpid());
	want(&text, line);
}

static void test_find(void **state)
{
	auto_free char *found = NULL, *want_dir = path_join(dir, "a/one");
	struct err e = ERR_INIT;

	(void)state;
	put("a/one", NULL);
	put("a/both", NULL);
	put("b/both", NULL);
	assert_ok(sandboxes_find(dir, "one", &found, &e), &e);
	assert_string_equal(found, want_dir);
	free(found);
	assert_ok(sandboxes_find(dir, "b/both", &found, &e), &e);
	assert_string_equal(path_base(found), "both");
	assert_err(sandboxes_find(dir, "both", &found, &e), &e, ERR_INVALID,
		   "several namespaces: say 'a/both' or 'b/both'");
	assert_err(sandboxes_find(dir, "b/one", &found, &e), &e, ERR_NOT_FOUND,
		   "no sandbox 'b/one'");
	assert_err(sandboxes_find(dir, "a", &found, &e), &e, ERR_NOT_FOUND, "no sandbox 'a'");
	assert_err(sandboxes_find(dir, "../one", &found, &e), &e, ERR_INVALID, "namespace '..'");
	assert_err(sandboxes_find(dir, "a/../one", &found, &e), &e, ERR_INVALID,
		   "sandbox '../one'");
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
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

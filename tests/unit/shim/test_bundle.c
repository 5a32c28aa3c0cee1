/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle's files: whose pod it is, addresses, the log fifo, the records of a sandbox. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/bundle.h"
#include "shim/record.h"

static char dir[] = "/tmp/husk-bundle-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-bundle-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static void write_config(const char *text)
{
	auto_free char *path = path_join(dir, "config.json");
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void test_group(void **state)
{
	static const struct {
		const char *config, *group;
	} cases[] = {
		{ "{}", "own" },
		{ "{\"annotations\":{}}", "own" },
		{ "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod\"}}", "pod" },
		{ "{\"annotations\":{\"io.kubernetes.cri-o.SandboxID\":\"pod\"}}", "pod" },
		{ "{\"annotations\":{\"io.containerd.runc.v2.group\":\"g\","
		  "\"io.kubernetes.cri.sandbox-id\":\"pod\"}}",
		  "g" },
	};
	struct err e = ERR_INIT;
	char *group;

	(void)state;
	assert_ok(bundle_group_id(dir, "own", &group, &e), &e); /* no config.json */
	assert_string_equal(group, "own");
	free(group);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_config(cases[i].config);
		assert_ok(bundle_group_id(dir, "own", &group, &e), &e);
		assert_string_equal(group, cases[i].group);
		free(group);
	}
	write_config("{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"../x\"}}");
	assert_err(bundle_group_id(dir, "own", &group, &e), &e, ERR_INVALID, "identifier");
	write_config("{");
	assert_err(bundle_group_id(dir, "own", &group, &e), &e, ERR_INVALID, "config.json");
}

static void test_address(void **state)
{
	struct err e = ERR_INIT;
	char *path;

	(void)state;
	assert_null(bundle_read_address(dir));
	assert_ok(bundle_write_address(dir, "/run/s/x", &e), &e);
	path = bundle_read_address(dir);
	assert_string_equal(path, "/run/s/x");
	free(path);
	assert_err(bundle_write_address("/no/such", "/x", &e), &e, ERR_NOT_FOUND, "/no/such");
}

/* Trap 28: neither a missing reader nor a full pipe holds a writer up. */
static void test_log(void **state)
{
	auto_free char *path = path_join(dir, "log");
	static const char text[4096];
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(bundle_open_log(dir), -1);
	write_config("");
	assert_int_equal(symlink("config.json", path), 0);
	assert_int_equal(bundle_open_log(dir), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = bundle_open_log(dir);
	assert_true(fd >= 0);
	while ((n = write(fd, text, sizeof(text))) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	(void)close(fd);
}

static void test_record(void **state)
{
	const struct shim_record r = {
		.ns = "default", .bundle = dir, .shim_pid = getpid(), .vmm_pid = 77
	};
	struct shim_record_found found;
	auto_free char *path = path_join(dir, "default/sb");
	struct err e = ERR_INIT;
	char *state_dir;

	(void)state;
	assert_int_equal(record_read(dir, "default", "sb", &found, &e), 0);
	assert_ok(path_mkdirs(path, 0700, &e), &e);
	assert_ok(record_write(dir, "sb", &r, &e), &e);
	assert_int_equal(record_read(dir, "default", "sb", &found, &e), 1);
	assert_int_equal(found.shim_pid, getpid());
	assert_int_equal(found.vmm_pid, 77);
	assert_true(found.shim_start_time > 0);
	assert_int_equal(record_read(dir, "other", "sb", &found, &e), 0);

	assert_ok(record_state_dir(dir, "/run/elsewhere", &e), &e);
	state_dir = record_find_state_dir(dir);
	assert_string_equal(state_dir, "/run/elsewhere");
	free(state_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_group, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_address, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_log, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_record, make_dir, remove_dir),
	};

	return cmocka_run_group_tests_name("shim bundle", tests, NULL, NULL);
}

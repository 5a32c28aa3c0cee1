/* SPDX-License-Identifier: Apache-2.0 */
/* The image's passwd and group, and PATH lookup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/process/passwd.h"
#include "agent/process/program.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "broken line\n"
			     "bad:x:-1:0::/:\n"
			     "nohome:x:5:6::\n"
			     "empty:x:7:8:::/bin/sh\n"
			     "\n"
			     "alice:x:1000:1001:a,b:/home/alice:/bin/sh:extra\n"
			     "alias:x:1000:5::/elsewhere:\n"
			     "last:x:9:9::/last:/bin/sh";

static void finds_names(void **state)
{
	static const struct {
		const char *name;
		int found;
		uid_t uid;
		gid_t gid;
	} cases[] = {
		{ "root", 1, 0, 0 }, { "alice", 1, 1000, 1001 }, { "nohome", 1, 5, 6 },
		{ "last", 1, 9, 9 }, { "bad", 0, 0, 0 },         { "broken line", 0, 0, 0 },
		{ "", 0, 0, 0 },     { "ali", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uid_t uid = 0;
		gid_t gid = 0;

		assert_int_equal(passwd_find_name(passwd, cases[i].name, &uid, &gid),
				 cases[i].found);
		assert_int_equal(uid, cases[i].uid);
		assert_int_equal(gid, cases[i].gid);
	}
}

static void finds_homes(void **state)
{
	static const struct {
		uid_t uid;
		const char *want;
	} cases[] = {
		{ 0, "/root" }, { 1000, "/home/alice" }, { 5, "" }, { 7, NULL }, { 8, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *home = passwd_find_home(passwd, cases[i].uid);

		if (cases[i].want && cases[i].want[0]) {
			assert_non_null(home);
			assert_string_equal(home, cases[i].want);
		} else {
			assert_null(home);
		}
		free(home);
	}
}

static void finds_groups(void **state)
{
	static const char group[] = "root:x:0:\nwheel:x:10:bob,alice\nbad:x:y:alice\n"
				    "short:x\nfour:x:4:malice\nlast:x:11:alice";
	gid_t *gids = NULL;

	(void)state;
	assert_int_equal(group_find_member(group, "alice", &gids), 2);
	assert_int_equal(gids[0], 10);
	assert_int_equal(gids[1], 11);
	free(gids);
	assert_int_equal(group_find_member(group, "nobody", &gids), 0);
	assert_null(gids);
	assert_int_equal(group_find_member("", "", &gids), 0);
}

static char dir[] = "/tmp/husk-program-XXXXXX";

static void make(const char *name, mode_t mode)
{
	auto_free char *path = path_join(dir, name);

	if (S_ISDIR(mode))
		assert_int_equal(mkdir(path, 0755), 0);
	else
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode)), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	make("first", S_IFDIR);
	make("second", S_IFDIR);
	make("first/plain", 0644);
	make("first/dir", S_IFDIR);
	make("second/plain", 0755);
	make("second/dir", 0755);
	make("here", 0755);
	return chdir(dir);
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(chdir("/"), 0);
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static void looks_in_path(void **state)
{
	auto_free char *path = xasprintf("PATH=/none:%s/first:%s/second", dir, dir);
	const char *env[] = { "NOPATH=/x", path, NULL };
	const char *env_empty[] = { "PATH=:/none", NULL };
	const struct {
		const char *name;
		const char *const *env;
		const char *want; /* end of the path, or of the error */
		int found;
	} cases[] = {
		/* What cannot be executed is passed over. */
		{ "plain", env, "/second/plain", 1 },
		{ "dir", env, "/second/dir", 1 },
		{ "here", env, "exec: \"here\": executable file not found in $PATH", 0 },
		{ "here", env_empty, "./here", 1 }, /* an empty entry is the working directory */
		{ "./here", env, "./here", 1 },
		{ "first/plain", env, "exec: \"first/plain\": permission denied", 0 },
		{ "first/dir", env, "exec: \"first/dir\": is a directory", 0 },
		{ "/no/such", env, "exec: \"/no/such\": no such file or directory", 0 },
		{ "here/below", env, "exec: \"here/below\": no such file or directory", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		char *found =
			program_find(cases[i].name, (char *const *)(uintptr_t)cases[i].env, &e);
		const char *got = found ? found : e.text;
		size_t len = strlen(cases[i].want);

		assert_int_equal(found != NULL, cases[i].found);
		assert_true(strlen(got) >= len);
		assert_string_equal(got + strlen(got) - len, cases[i].want);
		free(found);
	}
}

static void uses_the_usual_path_without_one(void **state)
{
	struct err e = ERR_INIT;
	char *found = program_find("sh", NULL, &e);

	(void)state;
	assert_non_null(found);
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_names),
		cmocka_unit_test(finds_homes),
		cmocka_unit_test(finds_groups),
		cmocka_unit_test_setup_teardown(looks_in_path, set_up, tear_down),
		cmocka_unit_test(uses_the_usual_path_without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that a guest image brings along: which files are, and how they join a container's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/guest_hooks.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/lib/test.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-guest-hooks-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static void make(const char *name, mode_t mode)
{
	auto_free char *path = path_join(dir, name);
	struct err e = ERR_INIT;
	auto_close int fd = -1;

	*strrchr(path, '/') = '\0';
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	path[strlen(path)] = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	assert_true(fd >= 0);
}

static void executables_are_hooks(void **state)
{
	auto_free char *link = path_join(dir, "prestart/30-link");
	auto_free char *first = path_join(dir, "prestart/10-first");
	auto_free char *second = path_join(dir, "prestart/20-second");
	struct guest_hooks h;
	struct err e = ERR_INIT;

	(void)state;
	make("prestart/20-second", 0755);
	make("prestart/10-first", 0700);
	make("prestart/README", 0644);
	make("prestart/.hidden", 0755);
	make("prestart/directory/x", 0755);
	make("poststop/only", 0755);
	assert_int_equal(symlink("/bin/true", link), 0);
	assert_int_equal(guest_hooks_scan(dir, &h, &e), 0);
	assert_int_equal(strv_len((const char *const *)h.prestart), 2);
	assert_string_equal(h.prestart[0], first);
	assert_string_equal(h.prestart[1], second);
	assert_null(h.poststart);
	assert_int_equal(strv_len((const char *const *)h.poststop), 1);
	guest_hooks_done(&h);
}

static void no_directory_is_no_hooks(void **state)
{
	struct guest_hooks h;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(guest_hooks_scan("/none/such", &h, &e), 0);
	assert_null(h.prestart);
	assert_int_equal(guest_hooks_scan("relative", &h, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void limit_is_exact(void **state)
{
	struct guest_hooks h;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 64; i++) {
		auto_free char *name = xasprintf("poststart/%02d", i);

		make(name, 0755);
	}
	assert_int_equal(guest_hooks_scan(dir, &h, &e), 0);
	guest_hooks_done(&h);
	make("poststart/64", 0755);
	assert_int_equal(guest_hooks_scan(dir, &h, &e), -1);
	assert_int_equal(e.code, ERR_EXHAUSTED);
}

static void join_behind_the_containers_own(void **state)
{
	Grpc__Spec *spec = xnew(Grpc__Spec);
	Grpc__Hook *own = xnew(Grpc__Hook);
	struct guest_hooks h;
	struct err e = ERR_INIT;

	(void)state;
	make("prestart/guests", 0755);
	make("poststart/guests", 0755);
	assert_int_equal(guest_hooks_scan(dir, &h, &e), 0);
	grpc__spec__init(spec);
	grpc__hook__init(own);
	own->path = xstrdup("/own");
	spec->hooks = xnew(Grpc__Hooks);
	grpc__hooks__init(spec->hooks);
	spec->hooks->prestart = xcalloc(1, sizeof(Grpc__Hook *));
	spec->hooks->prestart[spec->hooks->n_prestart++] = own;
	guest_hooks_append(&h, spec);
	assert_int_equal(spec->hooks->n_prestart, 2);
	assert_string_equal(spec->hooks->prestart[0]->path, "/own");
	assert_string_equal(spec->hooks->prestart[1]->args[0], "guests");
	assert_string_equal(spec->hooks->prestart[1]->args[1], "prestart");
	assert_int_equal(spec->hooks->n_poststart, 1);
	assert_int_equal(spec->hooks->n_poststop, 0);
	grpc__spec__free_unpacked(spec, NULL);
	guest_hooks_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(executables_are_hooks, set_up, tear_down),
		cmocka_unit_test(no_directory_is_no_hooks),
		cmocka_unit_test_setup_teardown(limit_is_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(join_behind_the_containers_own, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

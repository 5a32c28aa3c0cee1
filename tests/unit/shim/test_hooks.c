/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of the host: order, input, failures, and what is owed after a crash. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox/hooks.h"
#include "tests/lib/test.h"

#define PID 4711

static struct {
	char dir[64];
	struct oci_spec *spec;
	int result;
	bool poststart;
	struct err e;
} t;

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-hooks-XXXXXX");
	return mkdtemp(t.dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	oci_spec_free(t.spec);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

/* A script in the bundle that notes its words, working directory and environment, and what it is told. */
static void write_script(const char *name, const char *more)
{
	auto_free char *path = path_join(t.dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	(void)fprintf(f,
		      "#!/bin/sh\n{ echo \"$0 $* in $(pwd)\"; cat; echo \" W=$W\"; } >>log\n%s\n",
		      more);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void load_spec(const char *hooks)
{
	auto_free char *path = path_join(t.dir, "config.json");
	auto_close int dir = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	(void)fprintf(
		f,
		"{\"ociVersion\": \"1.1.0\", \"process\": {\"args\": [\"x\"], \"cwd\": \"/\"}, "
		"\"root\": {\"path\": \"rootfs\"}, \"annotations\": {\"a/b\": \"c\"}, "
		"\"hooks\": {%s}}",
		hooks);
	assert_int_equal(fclose(f), 0);
	if (oci_spec_load(dir, "config.json", &t.spec, &e) < 0)
		fail_msg("%s", e.text);
}

/* {"path": DIR/name, "args": ["as", word]}, for free() */
static char *hook(const char *name, const char *word, const char *more)
{
	return xasprintf("{\"path\": \"%s/%s\", \"args\": [\"as\", \"%s\"]%s}", t.dir, name, word,
			 more);
}

static char *log_text(void)
{
	auto_free char *path = path_join(t.dir, "log");
	struct err e = ERR_INIT;
	char *text = NULL;

	return file_read(AT_FDCWD, path, 1 << 16, &text, NULL, &e) < 0 ? xstrdup("") : text;
}

static bool is_owed(void)
{
	auto_free char *path = path_join(t.dir, "poststop-hooks");

	return access(path, F_OK) == 0;
}

static void life(void *arg)
{
	const struct container_params p = { .id = "c1", .bundle = t.dir, .spec = t.spec };
	struct host_hooks *h = NULL;
	struct undo u = UNDO_INIT;

	(void)arg;
	t.result = hooks_run_create(&p, PID, deadline_in_ms(PATIENCE_MS), &u, &h, &t.e);
	if (t.result == 0 && t.poststart)
		hooks_run_poststart(h, deadline_in_ms(PATIENCE_MS));
	undo_run(&u);
}

static void poststart(void *arg)
{
	hooks_run_poststart(arg, deadline_in_ms(PATIENCE_MS));
}

/* The machine dies while the poststart hooks run: their container is undone under them. */
static void end_meanwhile(void *arg)
{
	const struct container_params p = { .id = "c1", .bundle = t.dir, .spec = t.spec };
	struct fiber_group group = FIBER_GROUP_INIT;
	auto_free char *begun = path_join(t.dir, "begun");
	struct host_hooks *h = NULL;
	struct undo u = UNDO_INIT;

	(void)arg;
	t.result = hooks_run_create(&p, PID, deadline_in_ms(PATIENCE_MS), &u, &h, &t.e);
	fiber_group_start(&group, "poststart", poststart, h);
	while (access(begun, F_OK) < 0)
		fiber_yield();
	undo_run(&u);
	fiber_group_wait(&group);
}

static void crashed(void *arg)
{
	const struct container_params p = { .id = "c1", .bundle = t.dir, .spec = t.spec };
	struct host_hooks *h = NULL;
	static struct undo never_run;

	(void)arg;
	t.result = hooks_run_create(&p, PID, deadline_in_ms(PATIENCE_MS), &never_run, &h, &t.e);
}

static void runs_them_in_order(void **state)
{
	auto_free char *pre =
		hook("hook", "prestart", ", \"env\": [\"W=own\", \"PATH=/bin:/usr/bin\"]");
	auto_free char *create = hook("hook", "createRuntime", "");
	auto_free char *start = hook("hook", "poststart", "");
	auto_free char *stop = hook("hook", "poststop", "");
	auto_free char *all = xasprintf("\"poststop\": [%s], \"createRuntime\": [%s], "
					"\"poststart\": [%s], \"prestart\": [%s]",
					stop, create, start, pre);
	auto_free char *want = NULL;
	auto_free char *got = NULL;

	(void)state;
	write_script("hook", "");
	load_spec(all);
	assert_int_equal(setenv("W", "shims", 1), 0);
	t.poststart = true;
	fiber_main(life, NULL);
	if (t.result < 0)
		fail_msg("%s", t.e.text);
	want = xasprintf(
		"%1$s/hook prestart in %1$s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":4711,"
		"\"bundle\":\"%1$s\",\"annotations\":{\"a/b\":\"c\"}} W=own\n"
		"%1$s/hook createRuntime in %1$s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"creating\",\"pid\":4711,"
		"\"bundle\":\"%1$s\",\"annotations\":{\"a/b\":\"c\"}} W=shims\n"
		"%1$s/hook poststart in %1$s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"running\",\"pid\":4711,"
		"\"bundle\":\"%1$s\",\"annotations\":{\"a/b\":\"c\"}} W=shims\n"
		"%1$s/hook poststop in %1$s\n"
		"{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"stopped\","
		"\"bundle\":\"%1$s\",\"annotations\":{\"a/b\":\"c\"}} W=shims\n",
		t.dir);
	got = log_text();
	assert_string_equal(got, want);
	assert_false(is_owed());
}

static void failure_ends_create(void **state)
{
	auto_free char *bad = hook("bad", "1", "");
	auto_free char *good = hook("good", "2", "");
	auto_free char *all = xasprintf("\"createRuntime\": [%s, %s], \"poststop\": [%s, %s]", bad,
					good, bad, good);
	auto_free char *got = NULL;
	const char *creating;

	(void)state;
	write_script("bad", "echo no such network >&2; exit 3");
	write_script("good", "");
	load_spec(all);
	fiber_main(life, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "createRuntime: hook '/tmp/husk-hooks-"));
	assert_non_null(strstr(t.e.text, "ended with code 3: no such network"));
	/* Poststop hooks run after a failed create too, the second whatever the first says. */
	got = log_text();
	creating = strstr(got, "\"creating\"");
	assert_non_null(creating);
	assert_null(strstr(creating + 1, "\"creating\""));
	assert_non_null(strstr(got, "good 2 in"));
	assert_false(is_owed());
}

static void late_hook_is_killed(void **state)
{
	auto_free char *slow = hook("slow", "1", ", \"timeout\": 1");
	auto_free char *all = xasprintf("\"prestart\": [%s]", slow);
	int64_t began = clock_now_ms();

	(void)state;
	write_script("slow", "exec sleep 100");
	load_spec(all);
	fiber_main(life, NULL);
	assert_int_equal(t.result, -1);
	assert_int_equal(t.e.code, ERR_TIMEOUT);
	assert_in_range(clock_now_ms() - began, 900, PATIENCE_MS);
}

static void missing_hook_is_named(void **state)
{
	(void)state;
	load_spec("\"prestart\": [{\"path\": \"/none/such\"}]");
	fiber_main(life, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "/none/such"));
}

static void crash_owes_poststop(void **state)
{
	auto_free char *stop = hook("hook", "poststop", "");
	auto_free char *all = xasprintf("\"poststop\": [%s]", stop);
	auto_free char *first = NULL;
	auto_free char *second = NULL;

	(void)state;
	write_script("hook", "");
	load_spec(all);
	fiber_main(crashed, NULL);
	assert_int_equal(t.result, 0);
	assert_true(is_owed());
	hooks_run_owed(t.dir, "c1", DEADLINE_NEVER);
	first = log_text();
	assert_non_null(strstr(first, "poststop"));
	assert_non_null(strstr(first, "\"status\":\"stopped\""));
	assert_false(is_owed());
	hooks_run_owed(t.dir, "c1", DEADLINE_NEVER);
	second = log_text();
	assert_string_equal(first, second);
}

/* containerd gives a `delete` so much time and no more. */
static void owed_hooks_have_a_limit(void **state)
{
	auto_free char *stop = hook("slow", "poststop", ", \"timeout\": 600");
	auto_free char *all = xasprintf("\"poststop\": [%1$s, %1$s]", stop);
	int64_t began;

	(void)state;
	write_script("slow", "exec sleep 600");
	load_spec(all);
	fiber_main(crashed, NULL);
	assert_true(is_owed());
	began = clock_now_ms();
	hooks_run_owed(t.dir, "c1", deadline_in_ms(GIVES_UP_MS));
	assert_in_range(clock_now_ms() - began, 0, AT_ONCE_MS);
	assert_false(is_owed());
}

static void outlives_its_container(void **state)
{
	auto_free char *first = hook("first", "1", "");
	auto_free char *second = hook("second", "2", "");
	auto_free char *all =
		xasprintf("\"poststart\": [%s, %s], \"poststop\": [%s]", first, second, second);
	auto_free char *want = NULL;
	auto_free char *got = NULL;

	(void)state;
	write_script("first", "cd \"${0%/*}\" && >begun && while ! grep -q stopped log; do "
			      "sleep 0.01; done");
	write_script("second", "");
	load_spec(all);
	fiber_main(end_meanwhile, NULL);
	assert_ok(t.result, &t.e);
	want = xasprintf("%1$s/second 2 in %1$s\n"
			 "{\"ociVersion\":\"1.1.0\",\"id\":\"c1\",\"status\":\"running\"",
			 t.dir);
	got = log_text();
	assert_non_null(strstr(got, want));
}

static void none_is_nothing(void **state)
{
	auto_free char *got = NULL;

	(void)state;
	load_spec("\"startContainer\": [{\"path\": \"/none/such\"}]");
	t.poststart = true;
	fiber_main(life, NULL);
	assert_int_equal(t.result, 0);
	assert_false(is_owed());
	got = log_text();
	assert_string_equal(got, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_them_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failure_ends_create, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_hook_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_hook_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(crash_owes_poststop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(owed_hooks_have_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(outlives_its_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_is_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

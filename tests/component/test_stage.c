/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's process is: ids, environment, terminal, hooks, errors. Needs root. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/stage_case.h"

static void runs_a_program(void **state)
{
	(void)state;
	assert_string_equal(output_of("echo hello; exit 7"), "hello\n");
	assert_int_equal(run.code, 7);
}

static void tells_the_signal(void **state)
{
	(void)state;
	(void)output_of("echo $$; exec busybox sh -c 'exit 3'");
	assert_int_equal(run.code, 3);
	assert_string_equal(run.out, "1\n"); /* init of its pid namespace */
}

static void does_not_run_without_the_byte(void **state)
{
	(void)state;
	run.hold = true;
	stage_run_shell(&run, "echo ran");
	stage_run_go(&run);
	assert_true(run.ready);
	assert_string_equal(run.out, "");
	assert_int_equal(run.code, 1);
}

static void sets_ids_and_environment(void **state)
{
	static uint32_t groups[] = { 7, 8 };

	(void)state;
	run.user.uid = 1000;
	run.user.gid = 1001;
	run.user.additionalgids = groups;
	run.user.n_additionalgids = 2;
	assert_string_equal(output_of("id -u; id -g; id -G; echo $HOME; echo $TERM; umask; pwd"),
			    "1000\n1001\n1001 7 8\n/home/alice\nvt100\n0022\n/\n");
}

static void last_of_a_name_counts(void **state)
{
	static const char *const env[] = { "WORD=first", "PATH=/bin", "WORD=last" };

	(void)state;
	run.process.env = (char **)(uintptr_t)env;
	run.process.n_env = 3;
	assert_string_equal(output_of("grep -ao 'WORD=[a-z]*' /proc/self/environ"), "WORD=last\n");
}

static void finds_a_user_by_name(void **state)
{
	(void)state;
	run.user.username = lit("alice");
	assert_string_equal(output_of("id -u; id -g; id -G"), "1000\n1001\n1001 10\n");
}

static void refuses_an_unknown_user(void **state)
{
	(void)state;
	run.user.username = lit("mallory");
	stage_run_shell(&run, "true");
	assert_refused("find user", "no user 'mallory'");
}

static void leaks_no_descriptor(void **state)
{
	(void)state;
	/* 3 is the directory that the shell reads, 255 and 10 may be its own. */
	assert_string_equal(output_of("cd /proc/self/fd; echo *"), "0 1 2 3\n");
}

static void names_the_host(void **state)
{
	char before[65], after[65];

	(void)state;
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	run.spec.hostname = lit("box");
	assert_string_equal(output_of("hostname"), "box\n");
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(before, after);
}

static void gives_a_terminal(void **state)
{
	(void)state;
	run.req.terminal = 1;
	run.user.uid = 1000;
	(void)output_of("echo via >/dev/tty; echo too >/dev/console; busybox stat -c %u "
			"/dev/console; busybox tty");
	assert_string_equal(run.out, "via\r\ntoo\r\n1000\r\n/dev/pts/0\r\n");
}

/* What an image (or a neighbour, for an exec) has put at the name must not be taken for a terminal. */
static void wants_a_real_terminal(void **state)
{
	auto_free char *fifo = path_join(run.rootfs, "fifo");

	(void)state;
	assert_int_equal(mkfifo(fifo, 0666), 0);
	run.req.terminal = 1;
	stage_run_mount(&run, "/dev/pts/ptmx", "bind", fifo, "bind");
	stage_run_shell(&run, "true");
	stage_run_go(&run);
	assert_false(run.ready);
	assert_string_equal(run.step, "open terminal");
	assert_has(run.error, "is no multiplexer");
}

/* The texts that users of containerd know. */
static void tells_why_a_program_cannot_run(void **state)
{
	static const struct {
		const char *program, *text;
	} cases[] = {
		{ "nope", "find program: exec: \"nope\": executable file not found in $PATH" },
		{ "/no/such", "find program: exec: \"/no/such\": no such file or directory" },
		{ "/etc/passwd", "find program: exec: \"/etc/passwd\": permission denied" },
		{ "/etc", "find program: exec: \"/etc\": is a directory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		stage_run_done(&run);
		stage_run_init(&run);
		run.args[0] = lit(cases[i].program);
		run.process.n_args = 1;
		stage_run_go(&run);
		assert_false(run.ready);
		assert_string_equal(run.error, cases[i].text);
	}
}

static void tells_of_a_failing_exec(void **state)
{
	auto_free char *path = path_join(run.rootfs, "bin/broken");
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

	(void)state;
	assert_true(fd >= 0 && write(fd, "\177ELF", 4) == 4 && close(fd) == 0);
	run.args[0] = lit("broken");
	run.process.n_args = 1;
	stage_run_go(&run);
	assert_true(run.ready); /* only the kernel can tell */
	assert_string_equal(run.step, "start program");
	assert_has(run.error, "exec: \"broken\": Exec format error");
}

static void runs_hooks(void **state)
{
	static const char *const create_args[] = { "sh", "-c",
						   "cat >\"$OUT\"; busybox test -d /proc/1" };
	static const char *const start_args[] = { "/bin/sh", "-c", "cat >/tmp/state" };
	static Grpc__Hooks hooks;
	static Grpc__Hook create, start;
	static Grpc__Hook *creates[] = { &create }, *starts[] = { &start };
	static Grpc__Spec__AnnotationsEntry note;
	static Grpc__Spec__AnnotationsEntry *notes[] = { &note };
	auto_free char *env = xasprintf("OUT=%s", stage_run_path(&run, "state"));
	char *envs[] = { env };

	(void)state;
	grpc__hooks__init(&hooks);
	grpc__hook__init(&create);
	grpc__hook__init(&start);
	grpc__spec__annotations_entry__init(&note);
	note.key = lit("a\"b");
	note.value = lit("c");
	run.spec.annotations = notes;
	run.spec.n_annotations = 1;
	create.path = lit("/bin/busybox"); /* the guest's */
	create.args = (char **)(uintptr_t)create_args;
	create.n_args = 3;
	create.env = envs;
	create.n_env = 1;
	start.path = lit("/bin/sh"); /* the container's */
	start.args = (char **)(uintptr_t)start_args;
	start.n_args = 3;
	hooks.createcontainer = creates;
	hooks.n_createcontainer = 1;
	hooks.startcontainer = starts;
	hooks.n_startcontainer = 1;
	run.spec.hooks = &hooks;
	assert_has(output_of("cat /tmp/state"), "\"id\":\"test\",\"status\":\"created\",\"pid\":");
	assert_has(run.out, "\"annotations\":{\"a\\\"b\":\"c\"}");
	assert_int_equal(access(stage_run_path(&run, "state"), F_OK), 0);
}

static void ends_a_hook_that_hangs(void **state)
{
	static const char *const args[] = { "sleep", "30" };
	static Grpc__Hooks hooks;
	static Grpc__Hook hook;
	static Grpc__Hook *list[] = { &hook };

	(void)state;
	grpc__hooks__init(&hooks);
	grpc__hook__init(&hook);
	hook.path = lit("/bin/busybox");
	hook.args = (char **)(uintptr_t)args;
	hook.n_args = 2;
	hook.timeout = 1;
	hooks.createcontainer = list;
	hooks.n_createcontainer = 1;
	run.spec.hooks = &hooks;
	stage_run_shell(&run, "true");
	assert_refused("run createContainer hooks", "not finished after 1 s");
}

/* The guest's hook says more than a pipe has room for, the container's leaves a process that has the pipe. */
static void tells_what_a_hook_said(void **state)
{
	static const struct {
		const char *step, *program;
	} cases[] = {
		{ "run createContainer hooks",
		  "echo no such card >&2; busybox head -c 1000000 /dev/zero >&2; exit 4" },
		{ "run startContainer hooks",
		  "echo out; echo no such card >&2; busybox sleep 60 & exit 4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[] = { "sh", "-c", cases[i].program };
		Grpc__Hooks hooks = GRPC__HOOKS__INIT;
		Grpc__Hook hook = GRPC__HOOK__INIT;
		Grpc__Hook *list[] = { &hook };

		stage_run_done(&run);
		stage_run_init(&run);
		hook.path = lit(i == 0 ? "/bin/busybox" : "/bin/sh");
		hook.args = (char **)(uintptr_t)args;
		hook.n_args = 3;
		*(i == 0 ? &hooks.createcontainer : &hooks.startcontainer) = list;
		*(i == 0 ? &hooks.n_createcontainer : &hooks.n_startcontainer) = 1;
		run.spec.hooks = &hooks;
		stage_run_shell(&run, "true");
		stage_run_go(&run);
		assert_string_equal(run.step, cases[i].step);
		assert_has(run.error, "exit code 4; no such card");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGE_CASE(runs_a_program),
		STAGE_CASE(tells_the_signal),
		STAGE_CASE(does_not_run_without_the_byte),
		STAGE_CASE(sets_ids_and_environment),
		STAGE_CASE(last_of_a_name_counts),
		STAGE_CASE(finds_a_user_by_name),
		STAGE_CASE(refuses_an_unknown_user),
		STAGE_CASE(leaks_no_descriptor),
		STAGE_CASE(names_the_host),
		STAGE_CASE(gives_a_terminal),
		STAGE_CASE(wants_a_real_terminal),
		STAGE_CASE(tells_why_a_program_cannot_run),
		STAGE_CASE(tells_of_a_failing_exec),
		STAGE_CASE(runs_hooks),
		STAGE_CASE(ends_a_hook_that_hangs),
		STAGE_CASE(tells_what_a_hook_said),
	};
	int code;

	if (stage_case_is_over(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

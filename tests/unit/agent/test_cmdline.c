/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel command lines and arguments, by table. */
#include "tests/lib/test.h"

#include "agent/cmdline.h"

static void test_kernel_command_line(void **state)
{
	static const struct {
		const char *line;
		const char *addr;
		enum log_level level;
		uint32_t pipe_size;
		const char *error; /* NULL: fine */
	} cases[] = {
		{ "", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, AGENT_PIPE_SIZE, NULL },
		{ "quiet root=/dev/sda agent.unknown=1", AGENT_SERVER_ADDR, LOG_LEVEL_INFO,
		  AGENT_PIPE_SIZE, NULL },
		{ "  agent.log=debug\tagent.server_addr=serial://husk.agent\n",
		  "serial://husk.agent", LOG_LEVEL_DEBUG, AGENT_PIPE_SIZE, NULL },
		{ "agent.server_addr=\"unix:///a b\" x", "unix:///a b", LOG_LEVEL_INFO,
		  AGENT_PIPE_SIZE, NULL },
		{ "agent.log=critical agent.log=warning", AGENT_SERVER_ADDR, LOG_LEVEL_WARN,
		  AGENT_PIPE_SIZE, NULL },
		{ "agent.log=", NULL, 0, 0, "agent.log" },
		{ "agent.log=Info", NULL, 0, 0, "'Info' is not a log level" },
		{ "agent.log", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, AGENT_PIPE_SIZE, NULL },
		{ "xagent.log=debug agent.logs=debug", AGENT_SERVER_ADDR, LOG_LEVEL_INFO,
		  AGENT_PIPE_SIZE, NULL },
		{ "agent.container_pipe_size=65536", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, 65536,
		  NULL },
		{ "agent.container_pipe_size=0", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, AGENT_PIPE_SIZE,
		  NULL },
		{ "agent.container_pipe_size=1048576", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, 1048576,
		  NULL },
		{ "agent.container_pipe_size=1048577", NULL, 0, 0, "agent.container_pipe_size" },
		{ "agent.container_pipe_size=-1", NULL, 0, 0, "'-1'" },
		{ "agent.container_pipe_size=1k", NULL, 0, 0, "'1k'" },
		{ "agent.hotplug_timeout=0", NULL, 0, 0, "agent.hotplug_timeout" },
		{ "agent.hotplug_timeout=3601", NULL, 0, 0, "'3601'" },
		{ "agent.hotplug_timeout=5s", NULL, 0, 0, "'5s'" },
		{ "agent.hotplug_timeout=3600", AGENT_SERVER_ADDR, LOG_LEVEL_INFO, AGENT_PIPE_SIZE,
		  NULL },
		{ "agent.server_addr=", NULL, 0, 0, "empty" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct agent_options o;
		struct err e = ERR_INIT;

		agent_options_init(&o);
		if (cases[i].error) {
			assert_err(cmdline_parse(cases[i].line, &o, &e), &e, ERR_INVALID,
				   cases[i].error);
		} else {
			assert_ok(cmdline_parse(cases[i].line, &o, &e), &e);
			assert_string_equal(o.server_addr, cases[i].addr);
			assert_int_equal(o.log_level, cases[i].level);
			assert_int_equal(o.pipe_size, cases[i].pipe_size);
		}
		agent_options_done(&o);
	}
}

/* A flag has no value, and a port without the flag opens nothing. */
static void test_debug_console(void **state)
{
	static const struct {
		const char *line;
		bool on;
		uint32_t port;
	} cases[] = {
		{ "quiet", false, 0 },
		{ "agent.debug_console", true, 0 },
		{ "agent.debug_console quiet agent.debug_console_vport=1026", true, 1026 },
		{ "agent.debug_console_vport=1026", false, 1026 },
		{ "agent.debug_console=1", false, 0 },
		{ "agent.log", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct agent_options o;
		struct err e = ERR_INIT;

		agent_options_init(&o);
		assert_ok(cmdline_parse(cases[i].line, &o, &e), &e);
		assert_int_equal(o.debug_console, cases[i].on);
		assert_int_equal(o.debug_console_port, cases[i].port);
		agent_options_done(&o);
	}
}

static void test_arguments(void **state)
{
	static const struct {
		const char *args[6];
		enum agent_command command;
		const char *addr;
		const char *error;
	} cases[] = {
		{ { NULL }, AGENT_SERVE, AGENT_SERVER_ADDR, NULL },
		{ { "--version" }, AGENT_VERSION, AGENT_SERVER_ADDR, NULL },
		{ { "-h" }, AGENT_HELP, AGENT_SERVER_ADDR, NULL },
		{ { "--server-addr", "unix:///x", "--log-level", "warn" },
		  AGENT_SERVE,
		  "unix:///x",
		  NULL },
		{ { "--server-addr=unix:///y" }, AGENT_SERVE, "unix:///y", NULL },
		{ { "--server-addr" }, AGENT_SERVE, NULL, "--server-addr" },
		{ { "--server-address=x" }, AGENT_SERVE, NULL, "--server-address" },
		{ { "--run-dir", "relative" }, AGENT_SERVE, NULL, "relative" },
		{ { "serve" }, AGENT_SERVE, NULL, "'serve'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *argv[8] = { (char *)(uintptr_t) "husk-agent" };
		enum agent_command command = AGENT_SERVE;
		struct agent_options o;
		struct err e = ERR_INIT;
		int argc = 1;

		while (cases[i].args[argc - 1]) {
			argv[argc] = (char *)(uintptr_t)cases[i].args[argc - 1];
			argc++;
		}
		agent_options_init(&o);
		if (cases[i].error) {
			assert_err(arguments_parse(argc, argv, &o, &command, &e), &e, ERR_INVALID,
				   cases[i].error);
		} else {
			assert_ok(arguments_parse(argc, argv, &o, &command, &e), &e);
			assert_int_equal(command, cases[i].command);
			assert_string_equal(o.server_addr, cases[i].addr);
		}
		agent_options_done(&o);
	}
}

static void test_cgroup_version(void **state)
{
	static const struct {
		const char *line;
		bool v1;
	} cases[] = {
		{ "", false },
		{ "agent.unified_cgroup_hierarchy=false", true },
		{ "systemd.unified_cgroup_hierarchy=0", true },
		{ "systemd.unified_cgroup_hierarchy=1", false },
		{ "agent.unified_cgroup_hierarchy=false agent.unified_cgroup_hierarchy=true",
		  false },
		{ "agent.unified_cgroup_hierarchy", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct agent_options o;
		struct err e = ERR_INIT;

		agent_options_init(&o);
		assert_ok(cmdline_parse(cases[i].line, &o, &e), &e);
		assert_int_equal(o.cgroup_v1, cases[i].v1);
		agent_options_done(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_command_line),
		cmocka_unit_test(test_cgroup_version),
		cmocka_unit_test(test_debug_console),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel command line and arguments to options, by table; see cmdline.h. */
#include "agent/cmdline.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

const char agent_usage[] =
	"usage: husk-agent [--server-addr ADDRESS] [--run-dir DIRECTORY] [--log-level LEVEL]\n"
	"       husk-agent --version\n"
	"The guest agent of husk: PID 1 of a sandbox's virtual machine, or a service in it.\n"
	"ADDRESS is vsock://CID:PORT, serial://NAME or unix://PATH. LEVEL is error, warn, info\n"
	"or debug.\n";

void agent_options_init(struct agent_options *o)
{
	*o = (struct agent_options){
		.server_addr = xstrdup(AGENT_SERVER_ADDR),
		.run_dir = xstrdup(AGENT_RUN_DIR),
		.log_level = LOG_LEVEL_INFO,
		.pipe_size = AGENT_PIPE_SIZE,
		.hotplug_timeout_s = AGENT_HOTPLUG_TIMEOUT_S,
	};
}

void agent_options_done(struct agent_options *o)
{
	free(o->server_addr);
	free(o->run_dir);
	*o = (struct agent_options){ .server_addr = NULL };
}

static int set_log_level(struct agent_options *o, const char *value, struct err *e)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "critical", LOG_LEVEL_ERROR }, { "debug", LOG_LEVEL_DEBUG },
		{ "error", LOG_LEVEL_ERROR },    { "fatal", LOG_LEVEL_ERROR },
		{ "info", LOG_LEVEL_INFO },      { "panic", LOG_LEVEL_ERROR },
		{ "trace", LOG_LEVEL_DEBUG },    { "warn", LOG_LEVEL_WARN },
		{ "warning", LOG_LEVEL_WARN },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].name, value) == 0) {
			o->log_level = levels[i].level;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "'%s' is not a log level", value);
}

static int set_server_addr(struct agent_options *o, const char *value, struct err *e)
{
	if (value[0] == '\0')
		return err_set(e, ERR_INVALID, "the address is empty");
	free(o->server_addr);
	o->server_addr = xstrdup(value);
	return 0;
}

static int set_run_dir(struct agent_options *o, const char *value, struct err *e)
{
	if (value[0] != '/')
		return err_set(e, ERR_INVALID, "'%s' is not an absolute path", value);
	free(o->run_dir);
	o->run_dir = xstrdup(value);
	return 0;
}

/* 0 leaves our default in force. */
static int set_pipe_size(struct agent_options *o, const char *value, struct err *e)
{
	uint32_t size;

	if (!num_u32(value, 10, &size) || size > AGENT_PIPE_SIZE_MAX)
		return err_set(e, ERR_INVALID, "'%s' is not a number of bytes from 0 to %u", value,
			       AGENT_PIPE_SIZE_MAX);
	if (size > 0)
		o->pipe_size = size;
	return 0;
}

static int set_hotplug_timeout(struct agent_options *o, const char *value, struct err *e)
{
	uint32_t seconds;

	if (!num_u32(value, 10, &seconds) || seconds == 0 || seconds > AGENT_HOTPLUG_TIMEOUT_S_MAX)
		return err_set(e, ERR_INVALID, "'%s' is not a number of seconds from 1 to %u",
			       value, AGENT_HOTPLUG_TIMEOUT_S_MAX);
	o->hotplug_timeout_s = seconds;
	return 0;
}

/* Kata's and systemd's spelling; as there, a number other than 0 is true. */
static int set_unified(struct agent_options *o, const char *value, struct err *e)
{
	uint32_t number;

	(void)e;
	o->cgroup_v1 = strcmp(value, "false") == 0 || strcmp(value, "no") == 0 ||
		       (num_u32(value, 10, &number) && number == 0);
	return 0;
}

static int set_debug_console(struct agent_options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->debug_console = true;
	return 0;
}

static int set_port(uint32_t *port, const char *value, struct err *e)
{
	if (!num_u32(value, 10, port))
		return err_set(e, ERR_INVALID, "'%s' is not a port", value);
	return 0;
}

static int set_debug_console_port(struct agent_options *o, const char *value, struct err *e)
{
	return set_port(&o->debug_console_port, value, e);
}

static int set_log_port(struct agent_options *o, const char *value, struct err *e)
{
	return set_port(&o->log_port, value, e);
}

static const struct option_row {
	const char *parameter; /* on the kernel command line; NULL: not there */
	const char *argument;  /* of the program; NULL: not there */
	int (*set)(struct agent_options *o, const char *value, struct err *e);
} option_rows[] = {
	{ "agent.container_pipe_size", NULL, set_pipe_size },
	{ "agent.debug_console", NULL, set_debug_console },
	{ "agent.debug_console_vport", NULL, set_debug_console_port },
	{ "agent.hotplug_timeout", NULL, set_hotplug_timeout },
	{ "agent.log", "--log-level", set_log_level },
	{ "agent.log_vport", NULL, set_log_port },
	{ "agent.server_addr", "--server-addr", set_server_addr },
	{ "agent.unified_cgroup_hierarchy", NULL, set_unified },
	{ "systemd.unified_cgroup_hierarchy", NULL, set_unified },
	{ NULL, "--run-dir", set_run_dir },
};

/* One parameter up to the blank behind it; double quotes keep blanks together, as in the kernel. */
static char *next_parameter(const char **line)
{
	const char *p = *line + strspn(*line, " \t\n");
	struct buf word = BUF_INIT;
	bool quoted = false;

	if (*p == '\0')
		return NULL;
	buf_add(&word, "", 0);
	for (; *p && (quoted || !strchr(" \t\n", *p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else
			buf_add(&word, p, 1);
	}
	*line = p;
	return word.data;
}

int cmdline_parse(const char *line, struct agent_options *o, struct err *e)
{
	for (;;) {
		auto_free char *word = next_parameter(&line);
		char *value;

		if (!word)
			return 0;
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		for (size_t i = 0; i < ARRAY_LEN(option_rows); i++) {
			const struct option_row *row = &option_rows[i];

			/* Only flags stand without a value, and alone. */
			if (row->parameter && strcmp(row->parameter, word) == 0 &&
			    (value != NULL) != (row->set == set_debug_console) &&
			    row->set(o, value, e) < 0)
				return err_wrap(e, "kernel parameter %s", row->parameter);
		}
	}
}

/* "--name value" or "--name=value". The value, NULL if this is not the option `name`. */
static const char *argument_value(const char *name, int argc, char *const *argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0' || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

int arguments_parse(int argc, char *const *argv, struct agent_options *o, enum agent_command *ret,
		    struct err *e)
{
	static const struct {
		const char *word;
		enum agent_command command;
	} commands[] = {
		{ "--help", AGENT_HELP },
		{ "--version", AGENT_VERSION },
		{ "-h", AGENT_HELP },
		{ "-v", AGENT_VERSION },
	};

	*ret = AGENT_SERVE;
	for (int i = 1; i < argc; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_LEN(commands); k++) {
			if (strcmp(argv[i], commands[k].word) == 0) {
				*ret = commands[k].command;
				return 0;
			}
		}
		for (size_t k = 0; k < ARRAY_LEN(option_rows) && !known; k++) {
			const struct option_row *row = &option_rows[k];
			const char *value = NULL;

			if (row->argument)
				value = argument_value(row->argument, argc, argv, &i);
			if (!value)
				continue;
			known = true;
			if (row->set(o, value, e) < 0)
				return err_wrap(e, "%s", row->argument);
		}
		if (!known)
			return err_set(e, ERR_INVALID, "argument '%s' is unknown or lacks a value",
				       argv[i]);
	}
	return 0;
}

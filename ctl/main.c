/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl: which subcommand, with which arguments. See huskctl(1). */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "ctl/command.h"

#define EXIT_USAGE 2

static const struct {
	const char *name;
	command_fn run;
	bool takes_config;
	const char *argument; /* what its one argument is called; NULL: it takes none */
	const char *missing;  /* what is said where it is */
	const char *help;
} commands[] = {
	{ "check", command_check, true, NULL, NULL, "what this host can do, and what is missing" },
	{ "config", command_config, true, NULL, NULL,
	  "the configuration in force, with its origins" },
	{ "console", command_console, true, "SANDBOX", "which sandbox? huskctl list shows them",
	  "a shell in a sandbox's guest" },
	{ "direct-volume", command_direct_volume, true, "ACTION", "add, remove, stats or resize?",
	  "volumes that guests mount themselves; see huskctl(1)" },
	{ "exec", command_exec, true, "SANDBOX", "which sandbox? huskctl list shows them",
	  "one command there: exec SANDBOX -- COMMAND [ARGUMENT...]" },
	{ "list", command_list, true, NULL, NULL, "the sandboxes on this host" },
	{ "version", command_version, false, NULL, NULL, "the version" },
};

static void print_usage(FILE *to)
{
	fprintf(to, "usage: huskctl COMMAND [--config FILE] [ARGUMENT]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-13s %-8s %s\n", commands[i].name,
			commands[i].argument ? commands[i].argument : "", commands[i].help);
}

static int usage_error(const char *command, const char *what)
{
	fprintf(stderr, "huskctl %s: %s\n", command, what);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
						 { "help", no_argument, NULL, 'h' },
						 { "mount-info", required_argument, NULL, 'm' },
						 { "size", required_argument, NULL, 's' },
						 { "volume-path", required_argument, NULL, 'v' },
						 { NULL, 0, NULL, 0 } };
	struct command_args args = { .config = NULL };
	const char *name;
	size_t row = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			args.config = optarg;
			break;
		case 'm':
			args.mount_info = optarg;
			break;
		case 's':
			args.size = optarg;
			break;
		case 'v':
			args.volume_path = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			return EXIT_USAGE; /* getopt has said why */
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}

	name = argv[optind++];
	while (row < ARRAY_LEN(commands) && strcmp(name, commands[row].name) != 0)
		row++;
	if (row == ARRAY_LEN(commands))
		return usage_error(name, "no such command; huskctl --help lists them");
	if (args.config && !commands[row].takes_config)
		return usage_error(name, "takes no --config");
	if ((args.volume_path || args.mount_info || args.size) &&
	    commands[row].run != command_direct_volume)
		return usage_error(name, "takes no options of volumes");
	if (commands[row].argument) {
		if (optind == argc)
			return usage_error(name, commands[row].missing);
		args.name = argv[optind++];
	}
	if (commands[row].run == command_exec && optind == argc)
		return usage_error(name, "which command?");
	args.words = argv + optind;
	if (optind < argc && commands[row].run != command_exec)
		return usage_error(name, "too many arguments");
	return commands[row].run(&args);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_COMMAND_H
#define HUSK_CTL_COMMAND_H

/* The subcommands of huskctl: a row each in main.c, a file each. */

struct command_args {
	const char *config; /* --config; NULL: the usual files */
	const char *name;   /* the one argument of a command that takes one */
	char *const *words; /* what follows the name, NULL-terminated, of a command that takes it */
	const char *volume_path, *mount_info, *size; /* of direct-volume */
};

/* Prints on standard output; what goes wrong on standard error. Returns the exit code. */
typedef int (*command_fn)(const struct command_args *args);

int command_check(const struct command_args *args);
int command_config(const struct command_args *args);
int command_console(const struct command_args *args);
int command_direct_volume(const struct command_args *args);
int command_exec(const struct command_args *args);
int command_list(const struct command_args *args);
int command_version(const struct command_args *args);

#endif

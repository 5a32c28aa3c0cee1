/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-husk-v2: what containerd calls. `start` leaves the server of one sandbox behind
 * and prints its address, `delete` tidies up after one, -info and -v answer questions.
 */
#include <stdio.h>
#include <string.h>

#include "shim/args.h"
#include "shim/command.h"

static int run(const struct shim_args *args, struct err *e)
{
	if (args->version)
		return command_version(e);
	if (args->info)
		return command_info(e);
	if (strcmp(args->action, "start") == 0)
		return command_start(args, e);
	if (strcmp(args->action, "delete") == 0)
		return command_delete(args, e);
	if (strcmp(args->action, "serve") == 0)
		return command_serve(args, e);
	return err_set(e, ERR_INVALID, "unknown action '%.100s': expected start or delete",
		       args->action);
}

int main(int argc, char **argv)
{
	struct shim_args args;
	struct err e = ERR_INIT;

	if (shim_args_parse(argc, (const char *const *)argv, &args, &e) < 0 || run(&args, &e) < 0) {
		(void)fprintf(stderr, "containerd-shim-husk-v2: %s\n", e.text);
		return 1;
	}
	return 0;
}

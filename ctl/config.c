/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl config: what is in force, and where each value came from. */
#include "config/config.h"

#include <stdio.h>

#include "ctl/command.h"

int command_config(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	if (config_load(args->config, &config, &e) < 0) {
		fprintf(stderr, "huskctl: %s\n", e.text);
		return 1;
	}
	text = config_describe(config);
	fputs(text, stdout);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl list: the sandboxes on this host. */
#include <stdio.h>

#include "config/config.h"
#include "ctl/command.h"
#include "ctl/sandboxes.h"

int command_list(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	auto_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	if (config_load(args->config, &config, &e) < 0 ||
	    sandboxes_print(config->runtime.state_dir, &text, &e) < 0) {
		fprintf(stderr, "huskctl: %s\n", e.text);
		return 1;
	}
	fputs(text.data, stdout);
	return 0;
}

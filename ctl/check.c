/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl check: can this host run husk? */
#include <stdio.h>

#include "common/async/fiber.h"
#include "ctl/checks.h"
#include "ctl/command.h"

struct check {
	const struct config *config;
	struct buf text;
	unsigned missing;
};

static void run_checks(void *arg)
{
	struct check *c = arg;

	c->missing = checks_run("", c->config, &c->text);
}

int command_check(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	struct err e = ERR_INIT;
	struct check c;

	if (config_load(args->config, &config, &e) < 0) {
		fprintf(stderr, "huskctl: %s\n", e.text);
		return 1;
	}
	c = (struct check){ .config = config, .text = BUF_INIT };
	fiber_main(run_checks, &c);
	fputs(c.text.data, stdout);
	buf_done(&c.text);
	if (c.missing > 0)
		printf("\n%u missing: no container can run yet.\n", c.missing);
	else
		printf("\nThis host can run husk.\n");
	return c.missing > 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl version */
#include <stdio.h>

#include "ctl/command.h"

int command_version(const struct command_args *args)
{
	(void)args;
	printf("huskctl %s\n", HUSK_VERSION);
	return 0;
}

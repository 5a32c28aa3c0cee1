/* SPDX-License-Identifier: Apache-2.0 */
/* `-v`: for people and packagers. */
#include <stdio.h>

#include "shim/command.h"

int command_version(struct err *e)
{
	if (printf("containerd-shim-husk-v2 (%s): version %s\n", SHIM_RUNTIME_NAME, HUSK_VERSION) <
		    0 ||
	    fflush(stdout) == EOF)
		return err_sys(e, errno, "write to standard output");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals; see terminal.h. */
#include "agent/process/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int terminal_resize(int master, uint32_t rows, uint32_t columns, struct err *e)
{
	struct winsize size = {
		.ws_row = (unsigned short)rows,
		.ws_col = (unsigned short)columns,
	};

	if (rows > UINT16_MAX || columns > UINT16_MAX)
		return err_set(e, ERR_INVALID, "a terminal of %u rows and %u columns", rows,
			       columns);
	if (ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(e, errno, "set the terminal's size");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals; see terminal.h. */
#include "agent/process/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int terminal_open(int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int locked = 0;
	int slave;

	if (master < 0)
		return err_sys(e, errno, "open /dev/ptmx");
	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return err_sys(e, errno, "unlock the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "open the terminal's other side");
	*ret_master = take_fd(&master);
	*ret_slave = slave;
	return 0;
}

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

/* SPDX-License-Identifier: Apache-2.0 */
/* Loop devices that free themselves; see loop.h and loop(4). */
#include "shim/storage/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTACH_TRIES 16 /* somebody else may take the free device that we were told of */

int loop_attach(const char *file, bool read_only, char ret_path[static LOOP_PATH_MAX],
		struct err *e)
{
	auto_close int backing = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	auto_close int control = -1;
	struct stat st;

	if (backing < 0)
		return err_sys(e, errno, "open '%s'", file);
	if (fstat(backing, &st) < 0)
		return err_sys(e, errno, "stat '%s'", file);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is no regular file: no loop device for it",
			       file);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return err_sys(e, errno, "open /dev/loop-control");

	for (int i = 0; i < ATTACH_TRIES; i++) {
		struct loop_config config = { .fd = (uint32_t)backing };
		auto_close int loop = -1;
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return err_sys(e, errno, "find a free loop device");
		(void)snprintf(ret_path, LOOP_PATH_MAX, "/dev/loop%d", n);
		loop = open(ret_path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (loop < 0)
			return err_sys(e, errno, "open '%s'", ret_path);
		config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
		if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&loop);
		if (errno != EBUSY)
			return err_sys(e, errno, "put '%s' behind %s", file, ret_path);
	}
	return err_set(e, ERR_EXHAUSTED, "no loop device for '%s': each was taken first", file);
}

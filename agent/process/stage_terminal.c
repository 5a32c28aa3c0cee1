/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of a container's process: made in the container's own devpts, so that it has a name
 * there, and its master handed to the agent over the status socket.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "agent/process/stage.h"
#include "agent/process/stage_step.h"
#include "common/base/path.h"

#define MULTIPLEXER "/dev/pts/ptmx" /* /dev/ptmx of an image may be anything */

/*
 * In a running container its processes decide what is at that name: the open must not block
 * (a fifo), nor count before it is known to be a multiplexer of a devpts.
 */
static int open_master(const struct stage *s, struct err *e)
{
	auto_close int fd = path_open_in_root(s->rootfd, MULTIPLEXER,
					      O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0, e);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return err_wrap(e, "a terminal needs a devpts at /dev/pts");
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat " MULTIPLEXER);
	/* TTYAUX_MAJOR 5, minor 2: Documentation/admin-guide/devices.txt of the kernel. */
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_set(e, ERR_INVALID, MULTIPLEXER " is no multiplexer of terminals");
	return take_fd(&fd);
}

static int send_master(int master, struct err *e)
{
	char mark = STAGE_TERMINAL;
	struct iovec iov = { .iov_base = &mark, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};

	memcpy(CMSG_DATA(&control.header), &master, sizeof(master));
	if (sendmsg(STAGE_FD_STATUS, &msg, MSG_NOSIGNAL) != 1)
		return err_sys(e, errno, "hand the terminal to the agent");
	return 0;
}

int stage_open_terminal(struct stage *s, struct err *e)
{
	auto_close int master = -1;
	auto_close int slave = -1;
	int locked = 0;

	if (!s->req->terminal)
		return 0;
	if (s->rootfd < 0)
		s->rootfd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->rootfd < 0)
		return err_sys(e, errno, "open '/'");
	master = open_master(s, e);
	if (master < 0)
		return -1;
	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return err_sys(e, errno, "unlock the terminal");
	/* By descriptor: the names below /dev/pts are the container's (TIOCGPTPEER, ioctl_tty(2)). */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "open the terminal's other side");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, errno, "place the terminal");
	return send_master(master, e);
}

int stage_set_terminal(struct stage *s, struct err *e)
{
	if (!s->req->terminal)
		return 0;
	if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "TIOCSCTTY");
	return 0;
}

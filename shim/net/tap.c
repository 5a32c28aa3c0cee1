/* SPDX-License-Identifier: Apache-2.0 */
/* Tap devices; see tap.h. */
#include "shim/net/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define TUN_DEVICE   "/dev/net/tun"
#define VHOST_DEVICE "/dev/vhost-net"
#define TAP_FLAGS    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

void tap_close(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		close_slot(&fds[i]);
		fds[i] = -1;
	}
}

/* One more queue of the tap with that name, which the first makes if it is not there. */
static int open_queue(const char *name, int flags, int *ret_fd, struct err *e)
{
	auto_close int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq req = { .ifr_flags = (short)flags };

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", TUN_DEVICE);
	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return err_sys(e, errno, "tap '%s'", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_queues(const char *name, int flags, size_t n, int *ret_fds, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		/* Only the first can insist on a new one. */
		if (open_queue(name, i == 0 ? flags : flags & ~IFF_TUN_EXCL, &ret_fds[i], e) < 0) {
			tap_close(ret_fds, i);
			return -1;
		}
	}
	return 0;
}

int tap_create(const char *name, size_t n_queues, int *ret_fds, struct err *e)
{
	int multi = n_queues > 1 ? IFF_MULTI_QUEUE : 0;
	int r = open_queues(name, TAP_FLAGS | IFF_TUN_EXCL | multi, n_queues, ret_fds, e);

	if (r < 0 && e->sys == EBUSY)
		e->code = ERR_EXISTS;
	return r;
}

int tap_attach(const char *name, size_t n_queues, int *ret_fds, size_t *ret_n, struct err *e)
{
	struct err multi_only = ERR_INIT;

	*ret_n = n_queues;
	if (open_queues(name, TAP_FLAGS | IFF_MULTI_QUEUE, n_queues, ret_fds, &multi_only) == 0)
		return 0;
	/* Whoever made it decided that: the kernel answers EINVAL to the other kind. */
	*ret_n = 1;
	return open_queues(name, TAP_FLAGS, 1, ret_fds, e);
}

int tap_open_vhost(size_t n_queues, int *ret_fds, struct err *e)
{
	for (size_t i = 0; i < n_queues; i++) {
		ret_fds[i] = open(VHOST_DEVICE, O_RDWR | O_CLOEXEC);
		if (ret_fds[i] >= 0)
			continue;
		if (i == 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
			return 0;
		(void)err_sys(e, errno, "open '%s'", VHOST_DEVICE);
		tap_close(ret_fds, i);
		return -1;
	}
	return 1;
}

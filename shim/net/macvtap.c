/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macvtap devices; see macvtap.h.
 *
 * Mode passthru gives the guest every frame under the address of the link below, so that nothing of
 * that link has to be changed and put back (in mode bridge two links cannot share an address).
 */
#include "shim/net/macvtap.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/macvtap.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/net/netlink.h"
#include "shim/net/tap.h"

#define NODE_NAME     "macvtap"
#define NODE_MODE     (S_IFCHR | 0600)
#define MACVTAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static int create_error(struct err *e, int code)
{
	if (code == -NLE_OPNOTSUPP)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no macvtap");
	if (code == -NLE_EXIST)
		return err_set(e, ERR_EXISTS, "make a macvtap: its name is taken");
	if (code == -NLE_BUSY || code == -NLE_INVAL)
		return err_set(e, ERR_STATE, "make a macvtap: the link has other devices on top");
	return netlink_error(e, code, "make a macvtap");
}

static int set_flags(struct nl_sock *sock, struct rtnl_link *link, unsigned flags)
{
	auto_nl_link struct rtnl_link *change = rtnl_link_alloc();

	rtnl_link_set_flags(change, flags);
	return rtnl_link_change(sock, link, change, 0);
}

/*
 * Which multicast groups (neighbour discovery) the guest joins is not known here: all of them. In this
 * order, because of one that is up already the kernel notes it with the link below, and never takes that
 * back.
 */
static int set_up(struct nl_sock *sock, const char *name, struct err *e)
{
	auto_nl_link struct rtnl_link *link = NULL;
	auto_nl_link struct rtnl_link *silent = rtnl_link_alloc();
	int r = rtnl_link_get_kernel(sock, 0, name, &link);

	/* No address of its own. A kernel without IPv6 refuses, and gives none. */
	(void)rtnl_link_inet6_set_addr_gen_mode(silent, IN6_ADDR_GEN_MODE_NONE);
	if (r == 0)
		(void)rtnl_link_change(sock, link, silent, 0);
	if (r == 0)
		r = set_flags(sock, link, IFF_ALLMULTI);
	if (r == 0)
		r = set_flags(sock, link, IFF_UP);
	return r < 0 ? netlink_error(e, r, "set macvtap '%s' up", name) : 0;
}

int macvtap_create(struct nl_sock *sock, int below, const char *name, struct err *e)
{
	auto_nl_link struct rtnl_link *link = rtnl_link_macvtap_alloc();
	struct err ignored = ERR_INIT;
	int r;

	rtnl_link_set_name(link, name);
	rtnl_link_set_link(link, below);
	(void)rtnl_link_macvtap_set_mode(link, rtnl_link_macvtap_str2mode("passthru"));
	r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0)
		return create_error(e, r);
	if (set_up(sock, name, e) == 0)
		return 0;
	(void)!macvtap_remove(sock, name, &ignored);
	return -1;
}

/* ---- Its character device ---- */

/* A file system that no path leads to, gone with its descriptor. */
static int mount_nowhere(const char *type, struct err *e)
{
	auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return err_sys(e, errno, "open a %s", type);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, errno, "make a %s", type);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, errno, "mount a %s", type) : fd;
}

/* "246:1" */
static int parse_device(char *text, dev_t *ret, struct err *e)
{
	char *second = strchr(text, ':');
	uint32_t kind, number;

	if (second)
		*second++ = '\0';
	if (!second || !num_u32(text, 10, &kind) || !num_u32(second, 10, &number))
		return err_set(e, ERR_INTERNAL, "'%.20s' is no device number", text);
	*ret = makedev(kind, number);
	return 0;
}

/*
 * The device's number is in sysfs, and what a sysfs shows of links is what the namespace of whoever
 * mounted it has. What is mounted on /sys shows those of the host.
 */
static int find_device(const char *name, dev_t *ret, struct err *e)
{
	auto_close int sys = mount_nowhere("sysfs", e);
	auto_free char *path = xasprintf("class/net/%s/tap%u/dev", name, if_nametoindex(name));
	auto_free char *text = NULL;

	if (sys < 0 || file_read_line(sys, path, &text, e) < 0)
		return -1;
	return parse_device(text, ret, e);
}

static int open_queue(int dir, int *ret_fd, struct err *e)
{
	auto_close int fd = openat(dir, NODE_NAME, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq req = { .ifr_flags = MACVTAP_FLAGS };

	if (fd < 0)
		return err_sys(e, errno, "open its character device");
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return err_sys(e, errno, "set up its character device");
	*ret_fd = take_fd(&fd);
	return 0;
}

/*
 * Not by /dev/tap<index>: indexes of links in different namespaces are the same, and /dev has one of
 * them. The node is made in a file system of our own, because /run and the like often take none.
 */
static int open_queues(const char *name, size_t n, int *ret_fds, struct err *e)
{
	auto_close int dir = -1;
	dev_t device;

	if (find_device(name, &device, e) < 0)
		return -1;
	dir = mount_nowhere("tmpfs", e);
	if (dir < 0)
		return -1;
	if (mknodat(dir, NODE_NAME, NODE_MODE, device) < 0)
		return err_sys(e, errno, "make a node of its character device");
	for (size_t i = 0; i < n; i++) {
		if (open_queue(dir, &ret_fds[i], e) < 0) {
			tap_close(ret_fds, i);
			return -1;
		}
	}
	return 0;
}

int macvtap_open(const char *name, size_t n_queues, int *ret_fds, struct err *e)
{
	if (open_queues(name, n_queues, ret_fds, e) < 0)
		return err_wrap(e, "macvtap '%s'", name);
	return 0;
}

/* ---- The end ---- */

int macvtap_remove(struct nl_sock *sock, const char *name, struct err *e)
{
	auto_nl_link struct rtnl_link *link = NULL;
	int r = rtnl_link_get_kernel(sock, 0, name, &link);

	if (r == 0 && rtnl_link_is_macvtap(link))
		r = rtnl_link_delete(sock, link);
	if (r < 0 && r != -NLE_OBJ_NOTFOUND && r != -NLE_NODEV)
		return netlink_error(e, r, "remove macvtap '%s'", name);
	return 0;
}

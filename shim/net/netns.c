/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces; see netns.h. */
#include "shim/net/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/async/work.h"

#define OURS "/proc/thread-self/ns/net"

int netns_open(const char *path, int *ret_fd, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat theirs, ours;

	if (fd < 0)
		return err_sys(e, errno, "open network namespace '%s'", path);
	/* Any other file refuses the call. */
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, ERR_INVALID, "'%s' is no network namespace", path);
	if (fstat(fd, &theirs) < 0 || stat(OURS, &ours) < 0)
		return err_sys(e, errno, "network namespace '%s'", path);
	if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev)
		return err_set(e, ERR_INVALID,
			       "network namespace '%s' is the host's, which a VM cannot share",
			       path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Back where the thread belongs: it would do everything else it is given in the wrong place. */
static void go_home(int home)
{
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
}

int netns_run_here(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	auto_close int home = open(OURS, O_RDONLY | O_CLOEXEC);
	int result;

	if (home < 0)
		return err_sys(e, errno, "open '%s'", OURS);
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the network namespace");
	result = fn(arg, e);
	go_home(home);
	return result;
}

struct run {
	int netns_fd;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int result;
};

static void run_on_worker(void *arg)
{
	struct run *r = arg;

	r->result = netns_run_here(r->netns_fd, r->fn, r->arg, r->e);
}

int netns_run(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct run r = { .netns_fd = netns_fd, .fn = fn, .arg = arg, .e = e };

	work_run(run_on_worker, &r);
	return r.result;
}

static int set_loopback_up(struct err *e)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return err_sys(e, errno, "loopback device");
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return err_sys(e, errno, "set the loopback device up");
	return 0;
}

static int create(int *ret_fd, struct err *e)
{
	auto_close int home = open(OURS, O_RDONLY | O_CLOEXEC);
	auto_close int fd = -1;
	int result;

	if (home < 0)
		return err_sys(e, errno, "open '%s'", OURS);
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, errno, "create a network namespace");
	fd = open(OURS, O_RDONLY | O_CLOEXEC);
	result = fd < 0 ? err_sys(e, errno, "open '%s'", OURS) : set_loopback_up(e);
	go_home(home);
	if (result == 0)
		*ret_fd = take_fd(&fd);
	return result;
}

struct creation {
	int fd;
	struct err *e;
	int result;
};

static void create_on_worker(void *arg)
{
	struct creation *c = arg;

	c->result = create(&c->fd, c->e);
}

int netns_create(int *ret_fd, struct err *e)
{
	struct creation c = { .e = e };

	work_run(create_on_worker, &c);
	if (c.result == 0)
		*ret_fd = c.fd;
	return c.result;
}

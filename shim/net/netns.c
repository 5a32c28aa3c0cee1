/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces; see netns.h. */
#include "shim/net/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
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

/*
 * Whatever changes the namespace of its thread is done by a thread that ends with it. Going back would not
 * always be possible: a user namespace has no right to enter a network namespace that is not its own, not
 * even the one that it came from.
 */
struct errand {
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int result;
};

static void *do_errand(void *arg)
{
	struct errand *d = arg;

	d->result = d->fn(d->arg, d->e);
	return NULL;
}

/* Blocks. */
static int run_on_thread(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct errand d = { .fn = fn, .arg = arg, .e = e };
	pthread_t thread;
	int r = pthread_create(&thread, NULL, do_errand, &d);

	if (r != 0)
		return err_sys(e, r, "start a thread for a network namespace");
	(void)pthread_join(thread, NULL);
	return d.result;
}

static void run_from_worker(void *arg)
{
	struct errand *d = arg;

	d->result = run_on_thread(d->fn, d->arg, d->e);
}

/* In a fiber. */
static int run_awaited(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct errand d = { .fn = fn, .arg = arg, .e = e };

	work_run(run_from_worker, &d);
	return d.result;
}

struct visit {
	int netns_fd;
	int (*fn)(void *arg, struct err *e);
	void *arg;
};

static int enter_and_run(void *arg, struct err *e)
{
	const struct visit *v = arg;

	if (setns(v->netns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "enter the network namespace");
	return v->fn(v->arg, e);
}

int netns_run_here(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct visit v = { .netns_fd = netns_fd, .fn = fn, .arg = arg };

	return run_on_thread(enter_and_run, &v, e);
}

int netns_run(int netns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct visit v = { .netns_fd = netns_fd, .fn = fn, .arg = arg };

	return run_awaited(enter_and_run, &v, e);
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

static int create(void *arg, struct err *e)
{
	auto_close int fd = -1;
	int *ret_fd = arg;

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, errno, "create a network namespace");
	fd = open(OURS, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", OURS);
	if (set_loopback_up(e) < 0)
		return -1;
	*ret_fd = take_fd(&fd);
	return 0;
}

int netns_create(int *ret_fd, struct err *e)
{
	return run_awaited(create, ret_fd, e);
}

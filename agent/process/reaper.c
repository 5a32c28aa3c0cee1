/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting orphans and nobody else; see reaper.h. */
#include "agent/process/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"

#define OWNER_WAIT_MS 5

int reaper_prepare(struct err *e)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block SIGCHLD");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "signalfd");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		(void)close(fd);
		return err_sys(e, errno, "become a subreaper");
	}
	return fd;
}

/*
 * Peek (WNOWAIT) at a child that has ended. The kernel always shows the same one first, so one that
 * has an owner hides those behind it until the owner, who sees it on its pidfd in the same round of
 * the loop, has collected it. Returns -1 when cancelled.
 */
static int collect(struct err *e)
{
	for (;;) {
		siginfo_t si = { 0 };

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
		    si.si_pid == 0)
			return 0;
		if (child_owned(si.si_pid)) {
			if (fiber_sleep_ms(OWNER_WAIT_MS, e) < 0)
				return -1;
			continue;
		}
		(void)waitid(P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG | __WALL);
		log_debug("collected orphan %d", (int)si.si_pid);
	}
}

void reaper_run(void *arg)
{
	struct err e = ERR_INIT;
	struct io *io = io_consume((int)(intptr_t)arg, &e);
	struct signalfd_siginfo info[8];

	if (!io) {
		log_error("orphans are not collected: %s", e.text);
		return;
	}
	while (io_wait_readable(io, DEADLINE_NEVER, &e) == 0) {
		/* Several deaths may be one signal: the content does not matter. */
		while (io_try_read(io, info, sizeof(info)) > 0)
			;
		if (collect(&e) < 0)
			break;
	}
	io_free(io);
}

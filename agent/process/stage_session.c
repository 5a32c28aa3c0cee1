/* SPDX-License-Identifier: Apache-2.0 */
/* Signals, session and standard streams of a container's process. */
#include "agent/process/stage_step.h"

#include <linux/keyctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/fd.h"

/* Ignored signals stay ignored across exec: the program must not inherit the agent's choices. */
int stage_reset_signals(struct stage *s, struct err *e)
{
	sigset_t none;

	(void)s;
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)signal(sig, SIG_DFL); /* refused for the two that libc keeps */
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return err_sys(e, errno, "sigprocmask");
	return 0;
}

int stage_new_session(struct stage *s, struct err *e)
{
	(void)s;
	/* EPERM: the parent has made us the leader of one already. */
	if (setsid() < 0 && errno != EPERM)
		return err_sys(e, errno, "setsid");
	/* Keys of the agent's session, or of another container's, are not for this one. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
	    errno != EDQUOT && errno != EPERM)
		return err_sys(e, errno, "join a new session keyring");
	/* Processes of the container must not look into this one while it holds what is the guest's
	 * (setns of an exec puts it in their sight). exec makes it dumpable again. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "PR_SET_DUMPABLE");
	return 0;
}

/*
 * Written always: otherwise the container would inherit the agent's, which is one of the last to be
 * killed. A value below the inherited one takes CAP_SYS_RESOURCE; where the agent has not got it
 * the inherited value stays, as a container without its preference is better than none.
 */
int stage_set_oom_score(struct stage *s, struct err *e)
{
	struct err why = ERR_INIT;

	if (file_writef(-1, "/proc/self/oom_score_adj", &why, "%lld",
			(long long)s->process->oomscoreadj) == 0)
		return 0;
	if (why.sys == EACCES || why.sys == EPERM) {
		stage_warn("oom_score_adj %lld is refused: the inherited one stays",
			   (long long)s->process->oomscoreadj);
		return 0;
	}
	*e = why;
	return -1;
}

int stage_set_stdio_owner(struct stage *s, struct err *e)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return err_sys(e, errno, "stat descriptor %d", fd);
		if (st.st_uid == s->uid)
			continue;
		/* /dev/null and the like are everybody's; only a terminal is the container's own. */
		if (S_ISCHR(st.st_mode) && !isatty(fd))
			continue;
		/* EINVAL: the owner has no number in this user namespace. EROFS, EPERM: a file
		 * that somebody else handed down. The program can use it as it is open. */
		if (fchown(fd, s->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
		    errno != EROFS)
			return err_sys(e, errno, "chown descriptor %d", fd);
	}
	return 0;
}

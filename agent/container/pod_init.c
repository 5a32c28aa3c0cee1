/* SPDX-License-Identifier: Apache-2.0 */
/* The init process of a pod's shared pid namespace; see pod_init.h. */
#include "agent/container/pod_init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static void end(struct sandbox *sb)
{
	child_free(take_ptr(sb->pod_init));
	if (sb->pid_ns >= 0)
		(void)close(take_fd(&sb->pid_ns));
}

static void undo_pod_init(void *arg)
{
	end(arg);
}

static struct child *spawn(const struct sandbox *sb, struct err *e)
{
	auto_free char *root = path_join(sb->options->run_dir, "sandbox/pod-init");
	const char *const argv[] = { "/proc/self/exe", POD_INIT_COMMAND, root, NULL };
	const struct child_spec spec = {
		.name = "init process of the pod",
		.argv = argv,
		.new_session = true,
		.die_with_parent = true,
		.clone_flags = CLONE_NEWPID,
	};

	if (path_mkdirs(root, 0755, e) < 0)
		return NULL;
	return child_spawn(&spec, e);
}

int pod_init_provide(struct sandbox *sb, struct err *e)
{
	auto_free char *path = NULL;

	if (sb->pod_init && !child_exited(sb->pod_init))
		return 0;
	if (sb->pod_init)
		log_warn("the init process of the pod was killed, and what ran beside it");
	else
		undo_push(&sb->teardown, "init process of the pod", undo_pod_init, sb);
	end(sb);
	sb->pod_init = spawn(sb, e);
	if (!sb->pod_init)
		return -1;
	path = xasprintf("/proc/%d/ns/pid", (int)child_pid(sb->pod_init));
	sb->pid_ns = open(path, O_RDONLY | O_CLOEXEC);
	if (sb->pid_ns < 0) {
		err_sys(e, errno, "open %s", path);
		end(sb);
		return -1;
	}
	return 0;
}

/*
 * As the first process of the namespace it is in the sight of every container: one that is root there,
 * and may trace processes, could reach through /proc/1 whatever it has. So it has an empty root, and
 * may not be looked into without CAP_SYS_PTRACE.
 */
_Noreturn void pod_init_main(const char *empty_dir)
{
	(void)prctl(PR_SET_NAME, POD_INIT_COMMAND, 0, 0, 0);
	if (chroot(empty_dir) < 0 || chdir("/") < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(1);
	/* POSIX: ignored means collected by the kernel. From inside, no other signal reaches it. */
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;)
		(void)pause();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `husk-agent stage`: the table of steps from clone to exec, and how a failure is told. */
#include "agent/process/stage.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

/* A Spec arrives in a ttrpc message of at most 4 MiB; packed again it is no larger. */
#define REQUEST_MAX (8u << 20)

enum when {
	INIT = 1,
	EXEC = 2,
	BOTH = INIT | EXEC,
};

/*
 * Why this order:
 *
 *   - oom_score_adj and limits are set with the agent's privileges, before any namespace;
 *   - namespaces are joined with the agent's privileges, the user namespace last, because the
 *     sandbox's ipc and uts belong to the guest and could not be joined from within it. An ancestor
 *     user namespace has every right over the container's own ones, so joining them first works too;
 *   - mounts whose file system belongs to a namespace of the guest (proc of the pid namespace, sysfs
 *     of the network, binds of the guest's directories) are made detached before the user namespace
 *     is entered and attached after it;
 *   - the terminal is made once the container's devpts is mounted, before /dev/console is made of it;
 *   - everything beneath the root is done by descriptor before the root is entered, while /dev/null
 *     and the rest of the guest can still be reached;
 *   - the label of a security module is set while there are all privileges, and counts from the exec on;
 *   - with no_new_privs the seccomp filter is loaded last, so that it need not allow what the steps
 *     do. Without, loading takes CAP_SYS_ADMIN, so it is loaded before capabilities are dropped.
 */
static const struct step {
	const char *name;
	stage_step_fn run;
	enum when when;
} steps[] = {
	{ "check request", stage_check_request, BOTH },
	{ "reset signals", stage_reset_signals, BOTH },
	{ "start a session", stage_new_session, BOTH },
	{ "read capabilities", stage_read_capabilities, BOTH },
	{ "build seccomp filter", stage_build_seccomp, BOTH },
	{ "set oom_score_adj", stage_set_oom_score, BOTH },
	{ "set resource limits", stage_set_rlimits, BOTH },
	{ "prepare hooks", hooks_read_state, INIT },
	{ "prepare security labels", stage_open_labels, BOTH },
	{ "join namespaces", namespaces_join, BOTH },
	{ "prepare mounts", mounts_prepare, INIT },
	{ "join user namespace", namespaces_join_user, BOTH },
	{ "create namespaces", namespaces_create, INIT },
	{ "set host name", namespaces_set_hostname, INIT },
	{ "prepare root file system", rootfs_prepare, INIT },
	{ "mount", mounts_attach, INIT },
	{ "open terminal", stage_open_terminal, BOTH },
	{ "create devices", devices_create, INIT },
	{ "finish mounts", mounts_finish, INIT },
	{ "create working directory", rootfs_make_cwd, INIT },
	{ "mask paths", paths_mask, INIT },
	{ "make paths read-only", paths_make_readonly, INIT },
	{ "wait for prestart hooks", hooks_wait_prestart, INIT },
	{ "run createContainer hooks", hooks_create_container, INIT },
	{ "enter root file system", rootfs_enter, INIT },
	{ "set sysctls", sysctl_apply, INIT },
	{ "finish root file system", rootfs_finish, INIT },
	{ "find user", stage_find_user, BOTH },
	{ "set owner of standard streams", stage_set_stdio_owner, BOTH },
	{ "set controlling terminal", stage_set_terminal, BOTH },
	{ "set security labels", stage_set_labels, BOTH },
	{ "set no_new_privs", stage_set_no_new_privs, BOTH },
	{ "drop bounding capabilities", stage_drop_bounding, BOTH },
	{ "set user", stage_set_user, BOTH },
	{ "change directory", stage_change_directory, BOTH },
	{ "load seccomp filter", stage_load_seccomp_early, BOTH },
	{ "set capabilities", stage_set_capabilities, BOTH },
	{ "find program", stage_find_program, BOTH },
	{ "wait for start", stage_wait_for_start, BOTH },
	{ "run startContainer hooks", hooks_start_container, INIT },
	{ "load seccomp filter", stage_load_seccomp_late, BOTH },
	{ "start program", stage_exec, BOTH },
};

static void report(const char *step, const struct err *why)
{
	auto_free char *text = xasprintf("%s: %s", step, why->text);
	Husk__Stage__StageError msg;
	auto_free uint8_t *packed = NULL;
	size_t len;

	husk__stage__stage_error__init(&msg);
	msg.step = (char *)(uintptr_t)step;
	msg.sys = why->sys;
	msg.text = text;
	msg.invalid = why->code == ERR_INVALID;
	len = husk__stage__stage_error__get_packed_size(&msg);
	packed = xmalloc(len + 1);
	packed[0] = STAGE_FAILED;
	(void)husk__stage__stage_error__pack(&msg, packed + 1);
	/* A parent that is gone reads nothing, and there is nobody else to tell. */
	(void)!write_all(STAGE_FD_STATUS, packed, len + 1);
}

void stage_warn(const char *fmt, ...)
{
	char packed[3 + STAGE_WARNING_MAX] = { STAGE_WARNING };
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(packed + 3, STAGE_WARNING_MAX, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if (len >= STAGE_WARNING_MAX)
		len = STAGE_WARNING_MAX - 1;
	packed[1] = (char)(len & 0xff);
	packed[2] = (char)(len >> 8);
	(void)!write_all(STAGE_FD_STATUS, packed, 3 + (size_t)len);
}

static int read_request(struct stage *s, struct err *e)
{
	static Grpc__Linux no_linux;
	auto_free char *packed = NULL;
	size_t len;

	if (fd_read_all(STAGE_FD_REQUEST, REQUEST_MAX, "request", &packed, &len, e) < 0)
		return -1;
	s->req = husk__stage__stage_request__unpack(NULL, len, (const uint8_t *)packed);
	if (!s->req)
		return err_set(e, ERR_INVALID, "the request is no StageRequest");
	s->spec = s->req->spec;
	s->process = s->req->process;
	grpc__linux__init(&no_linux);
	s->linux_spec = s->spec && s->spec->linux ? s->spec->linux : &no_linux;
	return 0;
}

int stage_main(void)
{
	struct stage s = {
		.procfs = -1,
		.apparmor = -1,
		.selinux = -1,
		.rootfd = -1,
	};
	struct err e = ERR_INIT;
	enum when when;

	/* Nothing of the agent's may reach the container, nor a hook. */
	if (close_range(STAGE_FD_REQUEST, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		err_sys(&e, errno, "close_range");
		report("close descriptors", &e);
		return 1;
	}
	(void)umask(022);
	if (read_request(&s, &e) < 0) {
		report("read request", &e);
		return 1;
	}
	(void)close(STAGE_FD_REQUEST);

	when = s.req->exec ? EXEC : INIT;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (!(steps[i].when & when))
			continue;
		if (steps[i].run(&s, &e) < 0) {
			report(steps[i].name, &e);
			return 1;
		}
	}
	return 1; /* not reached: the last step is exec */
}

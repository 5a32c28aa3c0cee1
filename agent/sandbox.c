/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox: created once, destroyed once; see sandbox.h. */
#include "agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/device/watch.h"
#include "agent/guest/command.h"
#include "agent/mount/mount.h"
#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"

#define SANDBOX_STORAGES_MAX  128u
#define DNS_LINES_MAX         64u
#define RESOLV_CONF           "/etc/resolv.conf"
#define BLANKS                " \t\r\n" /* around a line of it */
#define KERNEL_MODULES_MAX    64u
#define MODULE_PARAMETERS_MAX 64u
#define MODPROBE_MS           20000
#define HOSTNAME_MAX          64u /* HOST_NAME_MAX of Linux */

/*
 * The root of a mount namespace is its own parent and refuses pivot_root(2); as PID 1 we are not on
 * it (init.c), as a service of an initramfs we are.
 */
static bool root_has_no_parent(void)
{
	auto_free char *text = NULL;
	struct err ignored = ERR_INIT;
	struct mountinfo_line line;
	char *rest;

	if (mountinfo_read(&text, &ignored) < 0)
		return false;
	rest = text;
	while (mountinfo_next(&rest, &line))
		if (line.id == line.parent)
			return true;
	return false;
}

void sandbox_init(struct sandbox *sb, const struct agent_options *options, bool is_init)
{
	*sb = (struct sandbox){
		.options = options,
		.is_init = is_init,
		.no_pivot = !is_init && root_has_no_parent(),
		.ipc_ns = -1,
		.uts_ns = -1,
		.pid_ns = -1,
		.devices = device_watch_new("/sys", "/dev",
					    (int64_t)options->hotplug_timeout_s * 1000),
	};
}

static void close_namespace(int *fd)
{
	if (*fd >= 0)
		(void)close(take_fd(fd));
}

static void close_namespaces(void *arg)
{
	struct sandbox *sb = arg;

	close_namespace(&sb->ipc_ns);
	close_namespace(&sb->uts_ns);
	close_namespace(&sb->pid_ns);
}

void sandbox_done(struct sandbox *sb)
{
	close_namespaces(sb);
	device_watch_free(sb->devices);
	free(sb->id);
	free(sb->hostname);
	guest_hooks_done(&sb->guest_hooks);
	strv_free(sb->oom_events);
	*sb = (struct sandbox){ .state = SANDBOX_ENDED, .ipc_ns = -1, .uts_ns = -1, .pid_ns = -1 };
}

/* What an earlier boot of a template or a crashed agent left; shares mounted below it are kept. */
static int run_dir_make(const char *path, struct err *e)
{
	if (path_remove_tree(AT_FDCWD, path, e) < 0) {
		log_warn("files of an earlier run stay: %s", e->text);
		*e = ERR_INIT;
	}
	return path_mkdirs(path, 0755, e);
}

static int open_namespace(const char *path, int *ret, struct err *e)
{
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

/*
 * The namespaces that the pod's containers share. The agent steps into new ones, keeps descriptors
 * of them, and steps back, all without a wait in between. No mount holds them and no process lives
 * in them, so nothing of them outlives the agent.
 */
static int make_namespaces(struct sandbox *sb, struct err *e)
{
	auto_close int own_ipc = -1;
	auto_close int own_uts = -1;
	int r;

	if (open_namespace("/proc/self/ns/ipc", &own_ipc, e) < 0 ||
	    open_namespace("/proc/self/ns/uts", &own_uts, e) < 0)
		return -1;
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(e, errno, "make the sandbox's namespaces");
	r = open_namespace("/proc/self/ns/ipc", &sb->ipc_ns, e);
	if (r == 0)
		r = open_namespace("/proc/self/ns/uts", &sb->uts_ns, e);
	if (r == 0 && sb->hostname[0] && sethostname(sb->hostname, strlen(sb->hostname)) < 0)
		r = err_sys(e, errno, "set hostname '%s'", sb->hostname);
	if (setns(own_ipc, CLONE_NEWIPC) < 0 || setns(own_uts, CLONE_NEWUTS) < 0) {
		log_error("cannot return to the agent's own namespaces: %s", strerror(errno));
		abort(); /* every later child would start in the wrong ones */
	}
	return r;
}

static void undo_storages(void *arg)
{
	struct sandbox *sb = arg;

	storage_release_all(&sb->storages);
}

static int add_storages(struct sandbox *sb, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	const struct storage_user user = {
		.run_dir = sb->options->run_dir,
		.devices = sb->devices,
	};

	for (size_t i = 0; i < req->n_storages; i++) {
		auto_free char *mount_point = NULL;

		if (storage_add(&sb->storages, req->storages[i], &user, &mount_point, e) < 0)
			return -1;
	}
	return 0;
}

static void undo_dns(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (mount_remove(GUEST_MOUNT_POINT(RESOLV_CONF), &e) < 0)
		log_warn("%s", e.text);
}

/* The entries are lines of the pod's resolv.conf. A guest without that file does not want one. */
static int set_dns(struct sandbox *sb, const Grpc__CreateSandboxRequest *req, struct undo *u,
		   struct err *e)
{
	const struct mount_options bind = { .flags = MS_BIND };
	auto_free char *dir = path_join(sb->options->run_dir, "sandbox");
	auto_free char *path = path_join(dir, "resolv.conf");
	auto_buf struct buf text = BUF_INIT;
	auto_close int dirfd = -1;
	struct stat st;

	if (req->n_dns == 0 || stat(RESOLV_CONF, &st) < 0)
		return 0;
	for (size_t i = 0; i < req->n_dns; i++) {
		const char *line = req->dns[i] + strspn(req->dns[i], BLANKS);
		size_t len = strlen(line);

		while (len > 0 && strchr(BLANKS, line[len - 1]))
			len--;
		buf_addf(&text, "%.*s\n", (int)len, line);
	}
	if (path_mkdirs(dir, 0755, e) < 0)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	if (file_replace(dirfd, "resolv.conf", text.data, text.len, e) < 0)
		return -1;
	/* Containers bind-mount it and may run as any user. */
	if (fchmodat(dirfd, "resolv.conf", 0644, 0) < 0)
		return err_sys(e, errno, "set the mode of '%s'", path);
	if (mount_at(path, GUEST_MOUNT_POINT(RESOLV_CONF), "bind", &bind, e) < 0)
		return -1;
	undo_push(u, "resolv.conf", undo_dns, sb);
	return 0;
}

static int check_request(const Grpc__CreateSandboxRequest *req, struct err *e)
{
	if (req->sandbox_id[0] && id_check("sandbox", req->sandbox_id, e) < 0)
		return -1;
	if (strlen(req->hostname) > HOSTNAME_MAX)
		return err_set(e, ERR_INVALID, "a hostname of %zu bytes, the limit is %u",
			       strlen(req->hostname), HOSTNAME_MAX);
	if (req->n_storages > SANDBOX_STORAGES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u storages", SANDBOX_STORAGES_MAX);
	if (req->n_dns > DNS_LINES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u lines of resolv.conf",
			       DNS_LINES_MAX);
	if (req->n_kernel_modules > KERNEL_MODULES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u kernel modules", KERNEL_MODULES_MAX);
	for (size_t i = 0; i < req->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = req->kernel_modules[i];

		if (m->name[0] == '\0' || m->name[0] == '-' || strchr(m->name, '/'))
			return err_set(e, ERR_INVALID, "'%s' is no name of a kernel module",
				       m->name);
		if (m->n_parameters > MODULE_PARAMETERS_MAX)
			return err_set(e, ERR_EXHAUSTED,
				       "kernel module %s: more than %u parameters", m->name,
				       MODULE_PARAMETERS_MAX);
	}
	return 0;
}

/* Loaded modules stay: another user of the guest may have come to need them. */
static int load_modules(const Grpc__CreateSandboxRequest *req, struct err *e)
{
	auto_free char *program = req->n_kernel_modules > 0 ? command_find("modprobe", e) : NULL;

	if (req->n_kernel_modules > 0 && !program)
		return err_wrap(e, "load kernel module %s", req->kernel_modules[0]->name);
	for (size_t i = 0; i < req->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = req->kernel_modules[i];
		const char *argv[MODULE_PARAMETERS_MAX + 5] = { program, "-v", "--", m->name };
		const struct command run = { .argv = argv };

		for (size_t k = 0; k < m->n_parameters; k++)
			argv[4 + k] = m->parameters[k];
		if (command_run(&run, deadline_in_ms(MODPROBE_MS), NULL, NULL, e) < 0)
			return err_wrap(e, "load kernel module %s", m->name);
	}
	return 0;
}

static int start(struct sandbox *sb, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;

	if (run_dir_make(sb->options->run_dir, e) < 0 || load_modules(req, e) < 0)
		return -1;
	undo_push(&u, "sandbox namespaces", close_namespaces, sb);
	if (make_namespaces(sb, e) < 0)
		return -1;
	undo_push(&u, "sandbox storages", undo_storages, sb);
	if (add_storages(sb, req, e) < 0)
		return -1;
	if (set_dns(sb, req, &u, e) < 0)
		return -1;
	/*
	 * The kernel takes its time over the last descriptor of a namespace. DestroySandbox does not
	 * wait for that: sandbox_done() closes them when the answer is out.
	 */
	undo_drop(&u, close_namespaces, sb);
	undo_move(&sb->teardown, &u);
	return 0;
}

/* A guest without them is as good: the host names the directory whatever the image has. */
static void find_hooks(struct sandbox *sb, const char *path)
{
	struct err e = ERR_INIT;

	if (path[0] && guest_hooks_scan(path, &sb->guest_hooks, &e) < 0)
		log_warn("guest hooks: %s", e.text);
}

int sandbox_create(struct sandbox *sb, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	if (sb->state != SANDBOX_NONE)
		return err_set(e, ERR_STATE, "there is a sandbox already");
	if (check_request(req, e) < 0)
		return -1;
	sb->state = SANDBOX_STARTING;
	free(sb->id);
	free(sb->hostname);
	sb->id = xstrdup(req->sandbox_id);
	sb->hostname = xstrdup(req->hostname);
	if (start(sb, req, e) < 0) {
		if (sb->state == SANDBOX_STARTING)
			sb->state = SANDBOX_NONE;
		return -1;
	}
	if (sb->state == SANDBOX_STARTING)
		sb->state = SANDBOX_RUNNING;
	if (sb->id[0])
		log_set_context("sandbox", sb->id);
	find_hooks(sb, req->guest_hook_path);
	return 0;
}

int sandbox_destroy(struct sandbox *sb, struct err *e)
{
	if (sb->state == SANDBOX_ENDED)
		return err_set(e, ERR_STATE, "the sandbox has ended");
	sb->state = SANDBOX_ENDED;
	cond_wake_all(&sb->oom_changed);
	container_remove_all(sb);
	undo_run(&sb->teardown);
	sb->gone = true;
	cond_wake_all(&sb->gone_changed);
	return 0;
}

void sandbox_add_oom_event(struct sandbox *sb, const char *container_id)
{
	if (strv_len((const char *const *)sb->oom_events) >= OOM_EVENTS_MAX) {
		log_warn("nobody fetches the out-of-memory events: one of container %s is dropped",
			 container_id);
		return;
	}
	strv_add(&sb->oom_events, container_id);
	cond_wake_one(&sb->oom_changed);
}

int sandbox_next_oom_event(struct sandbox *sb, struct deadline d, char **ret, struct err *e)
{
	while (!sb->oom_events || !sb->oom_events[0]) {
		if (sb->state == SANDBOX_ENDED)
			return err_set(e, ERR_UNAVAILABLE, "the sandbox has ended");
		if (cond_wait(&sb->oom_changed, d, e) < 0)
			return -1;
	}
	*ret = sb->oom_events[0];
	memmove(sb->oom_events, sb->oom_events + 1,
		strv_len((const char *const *)sb->oom_events) * sizeof(char *));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the agent for tests; see agent_harness.h. */
#include "tests/component/agent_harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/path.h"
#include "common/net/transport.h"

#define AGENT_ENV     "HUSK_AGENT" /* another binary than the one of this build */
#define AGENT_DEFAULT "./husk-agent"

int agent_failures;

void agent_note_failure(const char *file, int line, const char *what, const char *why)
{
	(void)fprintf(stderr, "%s:%d: %s (last error: %s)\n", file, line, what, why);
	agent_failures++;
}

static int copy_file(const char *from, const char *to, struct err *e)
{
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC);
	auto_close int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	auto_free char *data = NULL;
	size_t len;

	if (in < 0 || out < 0)
		return err_sys(e, errno, "copy '%s' to '%s'", from, to);
	if (fd_read_all(in, 16u << 20, from, &data, &len, e) < 0)
		return -1;
	return write_all(out, data, len) < 0 ? err_sys(e, errno, "write '%s'", to) : 0;
}

static int make_rootfs(const struct agent_run *run, struct err *e)
{
	static const char *const dirs[] = { "bin", "dev", "etc", "proc", "sys", "tmp" };
	static const char *const applets[] = { "cat",  "echo", "grep",  "hostname", "id",
					       "kill", "ls",   "sh",    "sleep",    "stty",
					       "seq",  "true", "trap",  "dd",       "head",
					       "wc",   "ps",   "false", "printf",   "readlink" };
	auto_free char *busybox = path_join(run->rootfs, "bin/busybox");

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *dir = path_join(run->rootfs, dirs[i]);

		if (path_mkdirs(dir, 0755, e) < 0)
			return -1;
	}
	if (copy_file("/bin/busybox", busybox, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(applets); i++) {
		auto_free char *applet = xasprintf("%s/bin/%s", run->rootfs, applets[i]);

		if (symlink("busybox", applet) < 0)
			return err_sys(e, errno, "link '%s'", applet);
	}
	return 0;
}

static int make_dirs(struct agent_run *run, struct err *e)
{
	char template[] = "/tmp/husk-agent-test-XXXXXX";

	if (!mkdtemp(template))
		return err_sys(e, errno, "mkdtemp");
	run->dir = xstrdup(template);
	run->socket = path_join(run->dir, "agent.sock");
	run->run_dir = path_join(run->dir, "run");
	run->rootfs = path_join(run->dir, "rootfs");
	run->log = path_join(run->dir, "log");
	return make_rootfs(run, e);
}

int agent_reconnect(struct agent_run *run)
{
	struct transport_address at = { .kind = TRANSPORT_UNIX };
	struct io *io;

	rpc_client_free(run->client);
	run->client = NULL;
	(void)snprintf(at.path, sizeof(at.path), "%s", run->socket);
	io = transport_connect(&at, SECONDS(60), &run->e);
	if (!io)
		return -1;
	run->client = rpc_client_new(io, "agent");
	return 0;
}

static int start_agent(struct agent_run *run)
{
	const char *binary = getenv(AGENT_ENV) ? getenv(AGENT_ENV) : AGENT_DEFAULT;
	auto_free char *path = realpath(binary, NULL);
	auto_free char *addr = xasprintf("unix://%s", run->socket);
	const char *const argv[] = { path,         "--server-addr", addr,    "--run-dir",
				     run->run_dir, "--log-level",   "debug", NULL };
	auto_close int log = open(run->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	const struct child_fd fds[] = { { .from = log, .to = 1 }, { .from = log, .to = 2 } };
	const struct child_spec spec = {
		.name = "husk-agent",
		.argv = argv,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.die_with_parent = true,
		.clone_flags = CLONE_NEWNET,
	};

	if (!path)
		return err_sys(&run->e, errno, "find %s", binary);
	run->agent = child_spawn(&spec, &run->e);
	return run->agent ? agent_reconnect(run) : -1;
}

int agent_call(struct agent_run *run, const char *method, const void *req, void *ret_resp)
{
	run->e = ERR_INIT;
	return rpc_call(run->client, &grpc__agent_service__descriptor, method, NULL, req, ret_resp,
			SECONDS(60), &run->e);
}

int agent_create_sandbox(struct agent_run *run)
{
	Grpc__CreateSandboxRequest req;
	char *const options[] = { (char *)(uintptr_t) "size=1m", (char *)(uintptr_t) "mode=1777" };
	Grpc__Storage shm;
	Grpc__Storage *storages[] = { &shm };
	auto_free char *shm_path = path_join(run->run_dir, "sandbox/shm");

	grpc__storage__init(&shm);
	shm.driver = (char *)(uintptr_t) "ephemeral";
	shm.fstype = (char *)(uintptr_t) "tmpfs";
	shm.source = (char *)(uintptr_t) "shm";
	shm.mount_point = shm_path;
	shm.options = (char **)(uintptr_t)options;
	shm.n_options = ARRAY_LEN(options);
	grpc__create_sandbox_request__init(&req);
	req.sandbox_id = (char *)(uintptr_t) "sandbox-1";
	req.hostname = (char *)(uintptr_t) "husk-test";
	req.storages = storages;
	req.n_storages = 1;
	return agent_call(run, "CreateSandbox", &req, NULL);
}

static void start(struct agent_run *run, bool bare)
{
	CHECK(run, make_dirs(run, &run->e) == 0);
	CHECK(run, start_agent(run) == 0);
	CHECK(run, bare || agent_create_sandbox(run) == 0);
}

static void finish(struct agent_run *run)
{
	Grpc__DestroySandboxRequest req;
	int code;

	grpc__destroy_sandbox_request__init(&req);
	CHECK(run, agent_call(run, "DestroySandbox", &req, NULL) == 0);
	CHECK(run, child_wait(run->agent, SECONDS(60), &code, &run->e) == 0);
	CHECK(run, code == 0);
	CHECK(run, access(run->socket, F_OK) < 0);
}

static void show_log(const struct agent_run *run)
{
	auto_free char *text = NULL;
	struct err ignored = ERR_INIT;

	if (run->log && file_read(AT_FDCWD, run->log, 4u << 20, &text, NULL, &ignored) == 0)
		(void)fprintf(stderr, "--- the agent's log:\n%s---\n", text);
}

struct test_call {
	agent_test_fn fn;
	bool bare;
};

static void run_test(void *arg)
{
	const struct test_call *call = arg;
	struct agent_run run = { .dir = NULL };
	int failed_before = agent_failures;

	start(&run, call->bare);
	if (agent_failures == failed_before)
		call->fn(&run);
	if (run.client)
		finish(&run);
	rpc_client_free(run.client);
	child_free(run.agent);
	if (agent_failures > failed_before)
		show_log(&run);
	if (run.dir && path_remove_tree(AT_FDCWD, run.dir, &run.e) < 0)
		agent_note_failure(__FILE__, __LINE__, "remove the test's directory", run.e.text);
	free(run.dir);
	free(run.socket);
	free(run.run_dir);
	free(run.rootfs);
	free(run.log);
}

void agent_test(agent_test_fn fn)
{
	struct test_call call = { .fn = fn };

	fiber_main(run_test, &call);
}

void agent_test_bare(agent_test_fn fn)
{
	struct test_call call = { .fn = fn, .bare = true };

	fiber_main(run_test, &call);
}

bool agent_tests_skipped(void)
{
	if (geteuid() != 0)
		(void)printf("skipped: the agent makes namespaces and mounts, which takes root\n");
	else if (access("/bin/busybox", X_OK) < 0)
		(void)printf("skipped: there is no /bin/busybox (Debian: busybox-static)\n");
	else
		return false;
	return true;
}

static void set_process(Grpc__Process *p, const char *const *args, bool terminal)
{
	static const char *const env[] = { "PATH=/bin", "TERM=dumb" };

	grpc__process__init(p);
	p->terminal = terminal;
	p->args = (char **)(uintptr_t)args;
	p->n_args = strv_len(args);
	p->env = (char **)(uintptr_t)env;
	p->n_env = ARRAY_LEN(env);
	p->cwd = (char *)(uintptr_t) "/";
}

int agent_create(struct agent_run *run, const struct agent_container *c)
{
	static const char *const ns_types[] = { "mount", "ipc", "uts", "cgroup" };
	static const struct {
		const char *type, *destination;
	} mount_list[] = { { "proc", "/proc" }, { "tmpfs", "/dev" }, { "devpts", "/dev/pts" } };
	Grpc__LinuxNamespace ns[ARRAY_LEN(ns_types)];
	Grpc__LinuxNamespace *ns_ptrs[ARRAY_LEN(ns_types)];
	Grpc__Mount mounts[ARRAY_LEN(mount_list)];
	Grpc__Mount *mount_ptrs[ARRAY_LEN(mount_list)];
	auto_free char *cgroup = xasprintf("/husk-test-%d-%s", (int)getpid(), c->id);
	Grpc__CreateContainerRequest req;
	Grpc__Spec__AnnotationsEntry kind, *kinds[] = { &kind };
	Grpc__LinuxCapabilities caps;
	Grpc__Process process;
	Grpc__User user;
	Grpc__Linux linux_spec;
	Grpc__Spec spec;
	Grpc__Root root;

	for (size_t i = 0; i < ARRAY_LEN(ns_types); i++) {
		grpc__linux_namespace__init(&ns[i]);
		ns[i].type = (char *)(uintptr_t)ns_types[i];
		ns_ptrs[i] = &ns[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(mount_list); i++) {
		grpc__mount__init(&mounts[i]);
		mounts[i].type = mounts[i].source = (char *)(uintptr_t)mount_list[i].type;
		mounts[i].destination = (char *)(uintptr_t)mount_list[i].destination;
		mount_ptrs[i] = &mounts[i];
	}
	grpc__linux_capabilities__init(&caps);
	grpc__user__init(&user);
	set_process(&process, c->args, c->terminal);
	process.capabilities = &caps;
	process.user = &user;
	grpc__root__init(&root);
	root.path = (char *)(uintptr_t)(c->rootfs ? c->rootfs : run->rootfs);
	grpc__linux__init(&linux_spec);
	linux_spec.namespaces = ns_ptrs;
	linux_spec.n_namespaces = ARRAY_LEN(ns_types);
	linux_spec.cgroupspath = cgroup;
	linux_spec.resources = c->resources;
	grpc__spec__init(&spec);
	spec.process = &process;
	spec.root = &root;
	spec.linux = &linux_spec;
	spec.mounts = mount_ptrs;
	spec.n_mounts = ARRAY_LEN(mount_list);
	grpc__spec__annotations_entry__init(&kind);
	kind.key = (char *)(uintptr_t) "io.katacontainers.pkg.oci.container_type";
	kind.value = (char *)(uintptr_t) "pod_container";
	spec.annotations = kinds;
	spec.n_annotations = c->in_pod ? 1 : 0;
	grpc__create_container_request__init(&req);
	req.container_id = (char *)(uintptr_t)c->id;
	req.exec_id = req.container_id;
	req.sandbox_pidns = c->sandbox_pidns;
	req.oci = &spec;
	req.storages = c->storages;
	req.n_storages = c->n_storages;
	req.shared_mounts = c->shared_mounts;
	req.n_shared_mounts = c->n_shared_mounts;
	return agent_call(run, "CreateContainer", &req, NULL);
}

int agent_start(struct agent_run *run, const char *id)
{
	Grpc__StartContainerRequest req;

	grpc__start_container_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	return agent_call(run, "StartContainer", &req, NULL);
}

int agent_run_script(struct agent_run *run, const char *id, const char *script)
{
	const char *const args[] = { "sh", "-c", script, NULL };
	const struct agent_container c = { .id = id, .args = args };

	return agent_create(run, &c) < 0 ? -1 : agent_start(run, id);
}

int agent_exec_args(struct agent_run *run, const char *id, const char *exec_id,
		    const char *const *args, bool terminal)
{
	Grpc__ExecProcessRequest req;
	Grpc__Process process;

	set_process(&process, args, terminal);
	grpc__exec_process_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	req.process = &process;
	return agent_call(run, "ExecProcess", &req, NULL);
}

int agent_exec(struct agent_run *run, const char *id, const char *exec_id, const char *script)
{
	const char *const args[] = { "sh", "-c", script, NULL };

	return agent_exec_args(run, id, exec_id, args, false);
}

int agent_signal(struct agent_run *run, const char *id, const char *exec_id, uint32_t sig)
{
	Grpc__SignalProcessRequest req;

	grpc__signal_process_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	req.signal = sig;
	return agent_call(run, "SignalProcess", &req, NULL);
}

int agent_wait(struct agent_run *run, const char *id, const char *exec_id, int *ret_code)
{
	Grpc__WaitProcessRequest req;
	Grpc__WaitProcessResponse *resp;

	grpc__wait_process_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	if (agent_call(run, "WaitProcess", &req, &resp) < 0)
		return -1;
	*ret_code = resp->status;
	grpc__wait_process_response__free_unpacked(resp, NULL);
	return 0;
}

int agent_remove(struct agent_run *run, const char *id)
{
	Grpc__RemoveContainerRequest req;

	grpc__remove_container_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	return agent_call(run, "RemoveContainer", &req, NULL);
}

int agent_write(struct agent_run *run, const char *id, const char *exec_id, const void *data,
		size_t len)
{
	Grpc__WriteStreamRequest req;
	Grpc__WriteStreamResponse *resp;
	bool whole;

	grpc__write_stream_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	req.data.data = (uint8_t *)(uintptr_t)data;
	req.data.len = len;
	if (agent_call(run, "WriteStdin", &req, &resp) < 0)
		return -1;
	whole = resp->len == len;
	grpc__write_stream_response__free_unpacked(resp, NULL);
	return whole ? 0 : -1;
}

int agent_close_stdin(struct agent_run *run, const char *id, const char *exec_id)
{
	Grpc__CloseStdinRequest req;

	grpc__close_stdin_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	return agent_call(run, "CloseStdin", &req, NULL);
}

int agent_resize(struct agent_run *run, const char *id, const char *exec_id, uint32_t rows,
		 uint32_t columns)
{
	Grpc__TtyWinResizeRequest req;

	grpc__tty_win_resize_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	req.row = rows;
	req.column = columns;
	return agent_call(run, "TtyWinResize", &req, NULL);
}

int agent_read(struct agent_run *run, const char *method, const char *id, const char *exec_id,
	       uint32_t len, char **ret, size_t *ret_len)
{
	Grpc__ReadStreamRequest req;
	Grpc__ReadStreamResponse *resp;

	grpc__read_stream_request__init(&req);
	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = (char *)(uintptr_t)exec_id;
	req.len = len;
	if (agent_call(run, method, &req, &resp) < 0)
		return -1;
	*ret = xmemdup(resp->data.data, resp->data.len);
	*ret_len = resp->data.len;
	grpc__read_stream_response__free_unpacked(resp, NULL);
	return 0;
}

int agent_read_all(struct agent_run *run, const char *method, const char *id, const char *exec_id,
		   struct buf *ret)
{
	for (;;) {
		auto_free char *data = NULL;
		size_t len;

		if (agent_read(run, method, id, exec_id, 32768, &data, &len) < 0)
			return -1;
		buf_add(ret, data, len);
		if (len == 0)
			return 0;
	}
}

int agent_output(struct agent_run *run, const char *id, const char *script, struct buf *ret,
		 int *ret_code)
{
	if (agent_run_script(run, id, script) < 0 ||
	    agent_read_all(run, "ReadStdout", id, "", ret) < 0 ||
	    agent_wait(run, id, "", ret_code) < 0)
		return -1;
	return agent_remove(run, id);
}

unsigned agent_open_fds(const struct agent_run *run)
{
	auto_free char *path = xasprintf("/proc/%d/fd", (int)child_pid(run->agent));
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

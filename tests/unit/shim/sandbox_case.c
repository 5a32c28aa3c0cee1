/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox for each test; see sandbox_case.h. */
#include "tests/unit/shim/sandbox_case.h"

#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define TEXT(...) #__VA_ARGS__

static const char config_text[] = TEXT({
	"ociVersion" : "1.0.2",
	"process" : { "args" : ["sh"], "cwd" : "/", "user" : { "uid" : 0, "gid" : 0 } },
	"root" : { "path" : "rootfs" },
	"mounts" : [
		{
			"destination" : "/etc/hosts",
			"type" : "bind",
			"source" : "/etc/passwd",
			"options" : [ "rbind", "ro" ]
		},
		{
			"destination" : "/etc/resolv.conf",
			"type" : "bind",
			"source" : "/etc/passwd",
			"options" : [ "rbind", "ro" ]
		},
		{
			"destination" : "/dev/shm",
			"type" : "bind",
			"source" : "/dev/shm",
			"options" : ["rbind"]
		}
	],
	"linux" : {}
});

struct sandbox_case t;

int group_set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	t.skip = geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
	if (t.skip)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	(void)alarm(600);
	if (oci_spec_parse(config_text, sizeof(config_text) - 1, &t.spec, &e) < 0)
		return -1;
	t.pid = getpid();
	t.spec->linux.cgroups_path = xasprintf("/husk-unit-test-%d/sandbox", (int)t.pid);
	return 0;
}

int group_tear_down(void **state)
{
	(void)state;
	oci_spec_free(t.spec);
	return 0;
}

int set_up(void **state)
{
	struct err e = ERR_INIT;
	auto_free char *rootfs = NULL;

	(void)state;
	if (t.skip)
		return 0;
	memset(&fake_hv, 0, sizeof(fake_hv));
	t.e = t.why = ERR_INIT;
	t.ok = false;
	t.result = t.second = -2;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-sandbox-XXXXXX");
	if (!mkdtemp(t.dir) || mount("test", t.dir, "tmpfs", 0, NULL) < 0)
		return -1;
	t.state_dir = path_join(t.dir, "state");
	t.bundle = path_join(t.dir, "bundle");
	rootfs = path_join(t.bundle, "rootfs");
	if (path_mkdirs(rootfs, 0755, &e) < 0)
		return -1;
	t.config.runtime.state_dir = t.state_dir;
	t.config.runtime.dan_conf = (char *)(uintptr_t) "";
	t.config.runtime.internetworking_model = (char *)(uintptr_t) "tcfilter";
	t.config.runtime.kubelet_root_dir = t.bundle;
	t.config.runtime.sandbox_cgroup_only = true; /* so that a cgroup that fails is a failure */
	t.config.hypervisor.shared_fs = (char *)(uintptr_t) "virtio-fs";
	t.config.agent.dial_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.request_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.create_container_timeout_s = PATIENCE_MS / 1000;
	return 0;
}

unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n > 2 ? n - 2 : 0;
}

bool is_mounted_below(const char *path)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 24, &text, NULL, &e), &e);
	return strstr(text, path);
}

bool cgroups_are_left(void)
{
	static const char *const places[] = { "", "/memory", "/cpuset", "/unified" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path =
			xasprintf("/sys/fs/cgroup%s/husk-unit-test-%d", places[i], (int)t.pid);

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

void check_nothing_left(void)
{
	if (count_entries(t.state_dir) > 0)
		fail_msg("files are left below the state directory");
	if (is_mounted_below(t.state_dir))
		fail_msg("mounts are left");
	if (cgroups_are_left())
		fail_msg("cgroups are left");
	if (fake_hv.running > 0)
		fail_msg("the machine was not ended");
}

int tear_down(void **state)
{
	(void)state;
	if (t.skip)
		return 0;
	check_nothing_left();
	free(t.state_dir);
	free(t.bundle);
	return umount2(t.dir, MNT_DETACH) < 0 || rmdir(t.dir) < 0 ? -1 : 0;
}

int start(struct sandbox **ret, struct err *e)
{
	const struct sandbox_params p = {
		.id = "s1", .ns = "default", .bundle = t.bundle, .config = &t.config, .spec = t.spec
	};

	return sandbox_start(&p, deadline_in_ms(PATIENCE_MS), ret, e);
}

int create(struct sandbox *s, struct sandbox_container **ret, struct err *e)
{
	const struct container_params p = { .id = "c1", .bundle = t.bundle, .spec = t.spec };

	return sandbox_create_container(s, &p, deadline_in_ms(PATIENCE_MS), ret, e);
}

void whole_life(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.result = create(s, &c, &t.e);
	t.ok = sandbox_alive(s) && sandbox_vmm_pid(s) == 4242;
	if (t.result == 0)
		sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
	sandbox_stop(s);
	sandbox_stop(s);
	t.ok = t.ok && !sandbox_alive(s) &&
	       sandbox_wait_dead(s, deadline_in_ms(0), &t.why, &t.e) == 0;
	sandbox_free(s);
}

void start_only(void *arg)
{
	struct sandbox *s = NULL;
	int64_t began = clock_now_ms();

	(void)arg;
	t.result = start(&s, &t.e);
	t.ms = clock_now_ms() - began;
	sandbox_free(s);
}

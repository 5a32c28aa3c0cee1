/* SPDX-License-Identifier: Apache-2.0 */
/* What this host can do, and what to install or load for the rest; see checks.h. */
#include "ctl/checks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/path.h"
#include "ctl/program.h"
#include "hypervisor/host.h"

#define FILE_MAX   (4u << 20) /* bytes of a configuration file or of /proc/mounts */
#define SHIM       "containerd-shim-husk-v2"
#define RUNTIME    "io.containerd.husk.v2"
#define ADMIN_DIRS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum verdict {
	OK,
	WARN,    /* works, at a cost; or only some things do without it */
	MISSING, /* no container runs without it */
};

struct checks {
	const char *root;
	const struct config *config;
	struct host_facts facts;
	struct buf *out;
	unsigned missing;
};

/* One line: verdict, what it is about, what was found; `remedy` (or NULL) below it. */
static void say(struct checks *c, enum verdict v, const char *what, const char *remedy,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void say(struct checks *c, enum verdict v, const char *what, const char *remedy,
		const char *fmt, ...)
{
	static const char *const words[] = { [OK] = "ok", [WARN] = "warn", [MISSING] = "missing" };
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_addf(c->out, "%-8s %-14s %s\n", words[v], what, text);
	if (remedy && v != OK)
		buf_addf(c->out, "%-8s %-14s -> %s\n", "", "", remedy);
	c->missing += v == MISSING;
}

static bool exists(const struct checks *c, const char *path)
{
	auto_free char *full = path_join(c->root, path);

	return access(full, F_OK) == 0;
}

static bool is_program(const struct checks *c, const char *path)
{
	auto_free char *full = path_join(c->root, path);

	return access(full, X_OK) == 0;
}

/* Reads as a file does: can the device be opened, and if not, why? */
static int open_errno(const struct checks *c, const char *device)
{
	auto_free char *full = path_join(c->root, device);
	auto_close int fd = open(full, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? errno : 0;
}

static void check_cpu(struct checks *c)
{
	const struct host_facts *f = &c->facts;

	if (!f->kvm_needs_cpu_flag)
		return;
	if (f->cpu_vmx || f->cpu_svm)
		say(c, OK, "cpu", NULL, "shows %s", f->cpu_vmx ? "vmx" : "svm");
	else
		say(c, WARN, "cpu",
		    "turn virtualisation on in the firmware, or nested virtualisation in the cloud",
		    "shows neither vmx nor svm");
	if (f->kvm_errno == 0)
		say(c, OK, "/dev/kvm", NULL, "opens");
	else
		say(c, WARN, "/dev/kvm", "modprobe kvm_intel || modprobe kvm_amd",
		    "does not open: %s", strerror(f->kvm_errno));
}

static void check_accelerator(struct checks *c)
{
	struct host_reason why;
	struct err e = ERR_INIT;
	enum config_accel accel;

	if (host_choose_accel(&c->facts, c->config->hypervisor.accel, &accel, &why, &e) < 0)
		say(c, MISSING, "accelerator", NULL, "%s", e.text);
	else
		say(c, why.warning ? WARN : OK, "accelerator", NULL, "%s: %s",
		    host_accel_name(accel), why.text);
}

static void check_transport(struct checks *c)
{
	const struct host_facts *f = &c->facts;
	struct host_reason why;
	struct err e = ERR_INIT;
	enum config_transport transport;

	if (f->vhost_vsock_errno == 0)
		say(c, OK, "vhost-vsock", NULL, "/dev/vhost-vsock opens");
	else
		say(c, WARN, "vhost-vsock", "modprobe vhost_vsock",
		    "/dev/vhost-vsock does not open: %s", strerror(f->vhost_vsock_errno));
	if (*f->vsock_daemon)
		say(c, OK, "hybrid vsock", NULL, "%s", f->vsock_daemon);
	else if (f->vhost_vsock_errno != 0)
		say(c, WARN, "hybrid vsock",
		    "apt install vhost-device-vsock (Debian 14; its package also works on 12)",
		    "no vhost-device-vsock");

	if (host_choose_transport(f, c->config->hypervisor.transport, &transport, &why, &e) < 0)
		say(c, MISSING, "transport", NULL, "%s", e.text);
	else
		say(c, OK, "transport", NULL, "%s: %s", host_transport_name(transport), why.text);
}

/* Is there, starts, and says which version it is. */
static void check_program(struct checks *c, const char *what, const char *path, const char *remedy)
{
	auto_free char *full = path_join(c->root, path);
	auto_free char *version = NULL;
	struct err e = ERR_INIT;

	if (!is_program(c, path))
		say(c, MISSING, what, remedy, "no program %s", path);
	else if (program_version(full, &version, &e) < 0)
		say(c, MISSING, what, remedy, "%s", e.text);
	else
		say(c, OK, what, NULL, "%s: %s", path, version);
}

static void check_programs(struct checks *c)
{
	const struct config_hypervisor *h = &c->config->hypervisor;

	check_program(c, "hypervisor", h->path, "apt install qemu-system-x86");
	if (strcmp(h->shared_fs, "none") != 0)
		check_program(c, "virtiofsd", h->virtio_fs_daemon,
			      "apt install qemu-system-common (Debian 12) or virtiofsd (later)");
	else
		say(c, WARN, "virtiofsd", NULL,
		    "shared_fs = \"none\": root file systems that are directories cannot be used");
}

static void check_guest(struct checks *c)
{
	auto_free char *kernel = config_guest_kernel(c->config);
	auto_free char *initrd = config_guest_initrd(c->config);
	static const char remedy[] = "make guest && make install, in husk's source tree";

	if (!exists(c, kernel))
		say(c, MISSING, "guest kernel", remedy, "no %s", kernel);
	else
		say(c, OK, "guest kernel", NULL, "%s", kernel);
	if (!exists(c, initrd))
		say(c, MISSING, "guest initrd", remedy, "no %s", initrd);
	else
		say(c, OK, "guest initrd", NULL, "%s", initrd);
}

static void check_network(struct checks *c)
{
	int failed = open_errno(c, "/dev/net/tun");

	if (failed)
		say(c, WARN, "tun/tap", "modprobe tun",
		    "/dev/net/tun does not open: %s; needed for networks", strerror(failed));
	else
		say(c, OK, "tun/tap", NULL, "/dev/net/tun opens");
}

static void check_cgroup(struct checks *c)
{
	if (exists(c, "/sys/fs/cgroup/cgroup.controllers"))
		say(c, OK, "cgroup", NULL, "version 2");
	else if (exists(c, "/sys/fs/cgroup/memory"))
		say(c, OK, "cgroup", NULL, "version 1%s",
		    exists(c, "/sys/fs/cgroup/unified") ? ", version 2 beside it" : "");
	else
		say(c, WARN, "cgroup", "mount -t cgroup2 none /sys/fs/cgroup",
		    "none mounted at /sys/fs/cgroup");
}

/* Only the guest needs it, for dm-verity; on the host it matters to containerd's devmapper. */
static void check_device_mapper(struct checks *c)
{
	say(c, OK, "device-mapper", NULL, "%s",
	    exists(c, "/dev/mapper/control")
		    ? "there"
		    : "not there (only the devmapper snapshotter needs it)");
}

/* Does a file of containerd's configuration name the runtime? */
static bool names_runtime(const struct checks *c, const char *path)
{
	auto_free char *full = path_join(c->root, path);
	auto_free char *text = NULL;
	struct err ignored = ERR_INIT;

	return file_read(AT_FDCWD, full, FILE_MAX, &text, NULL, &ignored) == 0 &&
	       strstr(text, RUNTIME) != NULL;
}

static bool drop_in_names_runtime(const struct checks *c, const char *dir)
{
	auto_free char *full = path_join(c->root, dir);
	DIR *d = opendir(full);
	const struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d)) != NULL) {
		auto_free char *path = path_join(dir, entry->d_name);

		found = entry->d_name[0] != '.' && names_runtime(c, path);
	}
	if (d)
		(void)closedir(d);
	return found;
}

static void check_containerd(struct checks *c)
{
	auto_free char *containerd = host_find_program(c->root, "containerd", ADMIN_DIRS);
	auto_free char *shim = host_find_program(c->root, SHIM, ADMIN_DIRS);

	if (containerd)
		say(c, OK, "containerd", NULL, "%s", containerd);
	else
		say(c, MISSING, "containerd", "apt install containerd", "not installed");
	if (shim)
		say(c, OK, "shim", NULL, "%s", shim);
	else
		say(c, MISSING, "shim", "make install, in husk's source tree",
		    "no " SHIM " where containerd looks for it (its PATH)");
	if (names_runtime(c, "/etc/containerd/config.toml") ||
	    drop_in_names_runtime(c, "/etc/containerd/conf.d"))
		say(c, OK, "kubernetes", NULL, "containerd offers the runtime");
	else
		say(c, WARN, "kubernetes",
		    "see containerd-shim-husk-v2(8), EXAMPLES; ctr works without it",
		    "containerd's configuration does not name " RUNTIME);
}

unsigned checks_run(const char *root, const struct config *config, struct buf *ret)
{
	static void (*const all[])(struct checks * c) = {
		check_cpu,      check_accelerator,   check_transport,
		check_programs, check_guest,         check_network,
		check_cgroup,   check_device_mapper, check_containerd,
	};
	struct checks c = { .root = root, .config = config, .out = ret };

	host_probe(root, config->hypervisor.vsock_daemon, &c.facts);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		all[i](&c);
	host_facts_done(&c.facts);
	return c.missing;
}

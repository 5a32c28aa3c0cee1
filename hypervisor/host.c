/* SPDX-License-Identifier: Apache-2.0 */
/* What the host offers a virtual machine and what "auto" makes of it; see host.h. */
#include "hypervisor/host.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define CPUINFO_MAX   (16u << 20) /* bytes; some 2 KiB a CPU */
#define LIBEXEC_DIRS  "/usr/local/libexec:/usr/libexec:/usr/lib/qemu"
#define FALLBACK_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* 0, or the errno of opening it for reading and writing. */
static int try_open(const char *root, const char *device)
{
	auto_free char *path = path_join(root, device);
	auto_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? errno : 0;
}

/* Is `flag` a whole word of the first "flags" line? All CPUs of a host have the same ones. */
static bool cpu_has_flag(const char *cpuinfo, const char *flag)
{
	const char *line = strncmp(cpuinfo, "flags", 5) == 0 ? cpuinfo : NULL;
	size_t len = strlen(flag);

	if (!line) {
		line = strstr(cpuinfo, "\nflags");
		if (!line)
			return false;
		line++;
	}
	line += strcspn(line, ":\n");

	while (*line && *line != '\n') {
		size_t word;

		line += strspn(line, " \t:");
		word = strcspn(line, " \t\n");
		if (word == len && strncmp(line, flag, len) == 0)
			return true;
		line += word;
	}
	return false;
}

static bool is_executable(const char *root, const char *program)
{
	auto_free char *path = path_join(root, program);
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_in(const char *root, const char *dirs, const char *name)
{
	for (;;) {
		size_t len = strcspn(dirs, ":");

		if (len > 0 && dirs[0] == '/') { /* a relative entry would mean "wherever we run" */
			auto_free char *dir = xstrndup(dirs, len);
			auto_free char *path = path_join(dir, name);

			if (is_executable(root, path))
				return take_ptr(path);
		}
		if (!dirs[len])
			return NULL;
		dirs += len + 1;
	}
}

char *host_find_program(const char *root, const char *name, const char *more)
{
	const char *path = getenv("PATH");
	char *found = find_in(root, path && *path ? path : FALLBACK_PATH, name);

	return found ? found : find_in(root, more, name);
}

void host_probe(const char *root, const char *vsock_daemon, struct host_facts *ret)
{
	auto_free char *cpuinfo_path = path_join(root, "/proc/cpuinfo");
	auto_free char *cpuinfo = NULL;
	struct err ignored = ERR_INIT; /* what cannot be read is not there */

	*ret = (struct host_facts){ .kvm_errno = try_open(root, "/dev/kvm"),
				    .vhost_vsock_errno = try_open(root, "/dev/vhost-vsock") };
#if defined(__x86_64__) || defined(__i386__)
	ret->kvm_needs_cpu_flag = true;
#endif
	if (file_read(AT_FDCWD, cpuinfo_path, CPUINFO_MAX, &cpuinfo, NULL, &ignored) == 0) {
		ret->cpu_vmx = cpu_has_flag(cpuinfo, "vmx");
		ret->cpu_svm = cpu_has_flag(cpuinfo, "svm");
	}

	if (!*vsock_daemon)
		ret->vsock_daemon = host_find_program(root, "vhost-device-vsock", LIBEXEC_DIRS);
	else if (is_executable(root, vsock_daemon))
		ret->vsock_daemon = xstrdup(vsock_daemon);
	if (!ret->vsock_daemon)
		ret->vsock_daemon = xstrdup("");
}

void host_facts_done(struct host_facts *f)
{
	free(f->vsock_daemon);
	*f = (struct host_facts){ .vsock_daemon = NULL };
}

static void say(struct host_reason *why, bool warning, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct host_reason *why, bool warning, const char *fmt, ...)
{
	va_list ap;

	why->warning = warning;
	va_start(ap, fmt);
	(void)vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}

int host_choose_accel(const struct host_facts *f, enum config_accel wanted, enum config_accel *ret,
		      struct host_reason *why, struct err *e)
{
	static const char cost[] = "the guest is emulated in software (TCG): "
				   "expect 5 to 20 times the CPU time of KVM";
	bool cpu_ready = !f->kvm_needs_cpu_flag || f->cpu_vmx || f->cpu_svm;
	const char *flag = f->cpu_vmx ? "vmx" : "svm";

	switch (wanted) {
	case CONFIG_ACCEL_TCG:
		*ret = CONFIG_ACCEL_TCG;
		say(why, true, "accel = \"tcg\" in the configuration; %s", cost);
		return 0;
	case CONFIG_ACCEL_KVM:
		if (f->kvm_errno)
			return err_set(e, ERR_UNSUPPORTED,
				       "accel = \"kvm\", but /dev/kvm does not open: %s "
				       "(load kvm_intel or kvm_amd, or use accel = \"auto\")",
				       strerror(f->kvm_errno));
		*ret = CONFIG_ACCEL_KVM;
		if (cpu_ready)
			say(why, false, "accel = \"kvm\" in the configuration");
		else
			say(why, true,
			    "accel = \"kvm\" in the configuration, although the CPU shows neither "
			    "vmx nor svm: such a /dev/kvm can be slower than TCG");
		return 0;
	case CONFIG_ACCEL_AUTO:
		break;
	}

	*ret = f->kvm_errno == 0 && cpu_ready ? CONFIG_ACCEL_KVM : CONFIG_ACCEL_TCG;
	if (f->kvm_errno)
		say(why, true, "/dev/kvm does not open (%s); %s", strerror(f->kvm_errno), cost);
	else if (!cpu_ready)
		say(why, true,
		    "/dev/kvm opens, but the CPU shows neither vmx nor svm, so it has no hardware "
		    "behind it; %s",
		    cost);
	else if (f->kvm_needs_cpu_flag)
		say(why, false, "/dev/kvm opens and the CPU shows %s", flag);
	else
		say(why, false, "/dev/kvm opens");
	return 0;
}

int host_choose_transport(const struct host_facts *f, enum config_transport wanted,
			  enum config_transport *ret, struct host_reason *why, struct err *e)
{
	switch (wanted) {
	case CONFIG_TRANSPORT_VSOCK:
		if (f->vhost_vsock_errno)
			return err_set(e, ERR_UNSUPPORTED,
				       "transport = \"vsock\", but /dev/vhost-vsock does not open: "
				       "%s (modprobe vhost_vsock, or use transport = \"auto\")",
				       strerror(f->vhost_vsock_errno));
		*ret = wanted;
		say(why, false, "transport = \"vsock\" in the configuration");
		return 0;
	case CONFIG_TRANSPORT_HVSOCK:
		if (!*f->vsock_daemon)
			return err_set(e, ERR_UNSUPPORTED,
				       "transport = \"hybrid-vsock\", but no vhost-device-vsock "
				       "was found (install it, name it in vsock_daemon, or use "
				       "transport = \"auto\")");
		*ret = wanted;
		say(why, false, "transport = \"hybrid-vsock\" in the configuration, through %s",
		    f->vsock_daemon);
		return 0;
	case CONFIG_TRANSPORT_SERIAL:
		*ret = wanted;
		say(why, false, "transport = \"serial\" in the configuration");
		return 0;
	case CONFIG_TRANSPORT_AUTO:
		break;
	}

	if (f->vhost_vsock_errno == 0) {
		*ret = CONFIG_TRANSPORT_VSOCK;
		say(why, false, "/dev/vhost-vsock opens");
	} else if (*f->vsock_daemon) {
		*ret = CONFIG_TRANSPORT_HVSOCK;
		say(why, false, "/dev/vhost-vsock does not open (%s), %s is there",
		    strerror(f->vhost_vsock_errno), f->vsock_daemon);
	} else {
		*ret = CONFIG_TRANSPORT_SERIAL;
		say(why, false,
		    "/dev/vhost-vsock does not open (%s) and no vhost-device-vsock was found; "
		    "the serial port is always possible",
		    strerror(f->vhost_vsock_errno));
	}
	return 0;
}

const char *host_accel_name(enum config_accel a)
{
	static const char *const names[] = {
		[CONFIG_ACCEL_AUTO] = "auto", [CONFIG_ACCEL_KVM] = "kvm", [CONFIG_ACCEL_TCG] = "tcg"
	};

	return names[a];
}

const char *host_transport_name(enum config_transport t)
{
	static const char *const names[] = { [CONFIG_TRANSPORT_AUTO] = "auto",
					     [CONFIG_TRANSPORT_VSOCK] = "vsock",
					     [CONFIG_TRANSPORT_HVSOCK] = "hybrid-vsock",
					     [CONFIG_TRANSPORT_SERIAL] = "serial" };

	return names[t];
}

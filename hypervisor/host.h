/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_HOST_H
#define HUSK_HYPERVISOR_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "config/config.h"

/*
 * What this host offers a virtual machine, and what "auto" makes of it. The one place that decides
 * on accelerator and transport: the drivers act on it, `huskctl check` shows it.
 *
 * Probing (files are looked at) and choosing (a pure function of what was found) are apart, so that
 * the rules can be tested on hosts that nobody has at hand.
 */

struct host_facts {
	bool kvm_needs_cpu_flag; /* x86: /dev/kvm alone proves nothing, see host_choose_accel() */
	bool cpu_vmx, cpu_svm;   /* flags in /proc/cpuinfo */
	int kvm_errno;           /* of opening /dev/kvm; 0: it opens */
	int vhost_vsock_errno;   /* of opening /dev/vhost-vsock; 0: it opens */
	char *vsock_daemon;      /* path of vhost-device-vsock, without root; "": not found */
};

/*
 * Look at the host whose file system starts at `root` ("" or "/" for the real one).
 *
 * vsock_daemon  the configured path of vhost-device-vsock; "": the directories of PATH, then the
 *               libexec places. A configured path that cannot be executed counts as not found.
 *
 * Opens a few device nodes and reads /proc/cpuinfo: short, blocking, never fails (what cannot be
 * read is not there). Release with host_facts_done().
 */
void host_probe(const char *root, const char *vsock_daemon, struct host_facts *ret);
void host_facts_done(struct host_facts *f);

#define auto_host_facts CLEANUP(host_facts_done)

/* Why a choice was made, to stand behind its name: "accelerator kvm: /dev/kvm opens and …". */
#define HOST_REASON_MAX 512
struct host_reason {
	bool warning; /* it works, but costs something that the text names */
	char text[HOST_REASON_MAX];
};

/*
 * *ret is never AUTO. "auto" takes KVM where /dev/kvm opens and, on x86, the CPU shows vmx or svm
 * (a nested /dev/kvm without them exists and is slower than none); else TCG with a warning.
 * A wanted accelerator that is not there is ERR_UNSUPPORTED with what to do about it.
 */
int host_choose_accel(const struct host_facts *f, enum config_accel wanted, enum config_accel *ret,
		      struct host_reason *why, struct err *e) must_check;

/*
 * *ret is never AUTO. "auto": vsock, then hybrid vsock (vhost-device-vsock is installed), then the
 * serial port, which is always possible. For QEMU; other drivers have one transport of their own.
 */
int host_choose_transport(const struct host_facts *f, enum config_transport wanted,
			  enum config_transport *ret, struct host_reason *why, struct err *e)
	must_check;

/* As in the configuration: "auto", "kvm", "tcg"; "auto", "vsock", "hybrid-vsock", "serial". */
const char *host_accel_name(enum config_accel a);
const char *host_transport_name(enum config_transport t);

/*
 * Absolute path of an executable regular file beneath root: `name` in the directories of PATH, then
 * in `more` (":"-separated). NULL if there is none. For free(); the path is without root.
 */
char *host_find_program(const char *root, const char *name, const char *more) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_PROCESS_H
#define HUSK_HYPERVISOR_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/async/child.h"
#include "common/base/undo.h"
#include "hypervisor/confine.h"
#include "hypervisor/console.h"
#include "hypervisor/device.h"

/*
 * A process that a virtual machine consists of: the VMM, virtiofsd, vhost-device-vsock, or the agent
 * where the VMM is fake. Its output is kept, its end ends the machine, and the files of the sandbox
 * tell a later `delete` about it.
 */
struct hv;
struct hv_process;

#define HV_PROCESS_FDS_MAX (12 + HV_NIC_FDS_MAX) /* descriptors one process is given */

struct hv_process_spec {
	const char *name; /* a literal: "qemu" */
	const char *const *argv;
	const char *cwd;            /* NULL: "/" */
	const struct child_fd *fds; /* not 0 to 2; at most HV_PROCESS_FDS_MAX */
	size_t n_fds;
	struct confine *confine; /* used during the call only; NULL: as we are */
};

/*
 * Its standard output and error are read line by line from the start and logged at debug if the
 * configuration says enable_debug. The entry it pushes kills it and waits for its end.
 */
struct hv_process *hv_process_start(struct hv *hv, const struct hv_process_spec *s, struct undo *u,
				    struct err *e) must_check;

pid_t hv_process_pid(const struct hv_process *p);
bool hv_process_exited(const struct hv_process *p);
void hv_process_kill(struct hv_process *p); /* SIGKILL; the undo stack collects it */
const char *hv_process_name(const struct hv_process *p);
const struct console *hv_process_output(const struct hv_process *p);
struct hv_process *hv_process_next(const struct hv_process *p); /* of the same machine */

#endif

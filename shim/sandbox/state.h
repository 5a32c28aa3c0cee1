/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_STATE_H
#define HUSK_SHIM_SANDBOX_STATE_H

#include "common/base/undo.h"
#include "hypervisor/hypervisor.h"
#include "shim/net/network.h"
#include "shim/sandbox/directory.h"
#include "shim/sandbox/resources.h"
#include "shim/sandbox/sandbox.h"
#include "shim/storage/disks.h"
#include "shim/storage/projections.h"
#include "shim/storage/share.h"
#include "shim/storage/volume_copy.h"

/* What the files of this directory share; for the others there is sandbox.h. */

enum sandbox_phase {
	SANDBOX_RUNNING, /* from the first step of its start on */
	SANDBOX_STOPPING,
	SANDBOX_STOPPED,
};

struct sandbox {
	char *ns, *id;
	const struct config *config;
	enum sandbox_phase phase;
	/*
	 * Of the pod, "key=value". They are per network or ipc namespace, which only a process inside can
	 * set: the pod's first container does.
	 */
	char **sysctls;

	struct undo teardown; /* everything below; run by sandbox_stop() or a start that fails */
	struct directory dir;
	struct network *network; /* owned by teardown */
	struct hv *hv;
	struct disks disks; /* plugged into it */
	struct agent *agent;
	struct resources resources;
	pid_t vmm_pid; /* reported also after its death */

	/* Names, which a container that is being made while the sandbox ends still looks at. */
	struct share share;          /* mounts NULL where shared_fs is "none" */
	struct volume_copies copies; /* then */
	struct projections projections;

	struct fiber_group watch;
	bool dead;
	struct err why; /* once dead */
	struct sandbox_death death;
	struct cond changed; /* dead or phase, or somebody has left */
	unsigned waiting;    /* fibers between sandbox_enter() and sandbox_leave() */
	unsigned wiring;     /* of these, those in network and hv, which stay for them */
	unsigned bringing;   /* those that bring in a container's files */
};

/* Start the fiber that notices the VM's death; pushes its end on s->teardown. */
void sandbox_watch(struct sandbox *s);
/* Mark it dead, wake who waits, fail the agent's calls. The first reason stays. */
void sandbox_set_dead(struct sandbox *s, const struct err *why);

/* min(d, now + what the configuration gives a call to the agent) */
struct deadline sandbox_request_deadline(const struct sandbox *s, struct deadline d);

/* Around a call of sandbox.h that waits: sandbox_free() waits until everybody has left. */
void sandbox_enter(struct sandbox *s);
void sandbox_leave(struct sandbox *s);

/* The lines of the file that is mounted over /etc/resolv.conf, for strv_free(); NULL: none. Blocks. */
int sandbox_dns(const struct oci_spec *spec, char ***ret, struct err *e) must_check;

/* Something failed: if the VM is dead, say that and its reason instead. Returns -1. */
int sandbox_explain(const struct sandbox *s, struct err *e);

/* The memory alone, of one that was stopped or never started. */
void sandbox_dispose(struct sandbox *s);

#endif

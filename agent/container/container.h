/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CONTAINER_H
#define HUSK_AGENT_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "agent.pb-c.h"
#include "agent/cgroup/cgroup.h"
#include "agent/process/process.h"
#include "agent/sandbox.h"
#include "common/base/undo.h"

/*
 * A container, as the agent's side of it: storages, bundle, cgroup, the init process and those that
 * were exec'd. What happens inside its namespaces is the stage's (agent/process/stage.h).
 */
enum container_state {
	/* One bit each, for the `when` of a method table; 1 is RPC_ABSENT. */
	CONTAINER_CREATING = 1 << 1,
	CONTAINER_CREATED = 1 << 2,
	CONTAINER_RUNNING = 1 << 3,
	CONTAINER_PAUSED = 1 << 4,
	CONTAINER_STOPPED = 1 << 5,
	CONTAINER_REMOVING = 1 << 6,
};

#define CONTAINER_ALIVE          (CONTAINER_CREATED | CONTAINER_RUNNING | CONTAINER_PAUSED)
#define CONTAINER_LIVE           (CONTAINER_ALIVE | CONTAINER_STOPPED)
#define CONTAINER_NAMESPACES_MAX 8u

struct container {
	struct sandbox *sandbox;
	char id[ID_MAX + 1];
	char *name;    /* the orchestrator's, by which shared mounts name it; NULL: none */
	unsigned refs; /* one for the table; whoever waits holds another */
	enum container_state state;
	bool started;    /* its init's exec has been seen */
	unsigned pauses; /* so many have begun */
	struct undo teardown;
	char *rootfs;
	/* As long as the container: others may wait in it. NULL: none is mounted. */
	struct cgroup *cgroup;
	uint8_t *spec; /* packed Grpc__Spec: an exec gets its seccomp filter from it */
	size_t spec_len;
	bool has_hooks;  /* that the agent runs: prestart, poststart or poststop */
	char **pci_map;  /* of passed through devices: "<host's address>=<guest's>" */
	char **storages; /* mount points, in the order they were added */
	struct process *init;
	struct process *processes;                             /* the init among them */
	struct process_namespace ns[CONTAINER_NAMESPACES_MAX]; /* of the init, for execs */
	size_t n_ns;
	int pid_ns;
	bool in_pod;       /* one of a pod's, which is not its pause container */
	bool lends_pid_ns; /* the sandbox's shared one is this container's */
	bool shares_pid_ns;
	bool removed; /* all that was its own has been taken back */
	struct cond removed_changed;
	struct io *oom_watch; /* its fiber's to free; NULL: none */
	uint64_t oom_kills;   /* reported so far */
	UT_hash_handle hh;
};

struct container *container_find(const struct sandbox *sb, const char *id); /* borrowed */
const char *container_state_name(enum container_state state);

struct container *container_ref(struct container *c); /* returns it */
void container_unref(struct container *c);
static inline void container_unref_slot(struct container **c)
{
	if (*c)
		container_unref(*c);
}
#define auto_container CLEANUP(container_unref_slot)

/*
 * Up to the init process waiting for its start. ERR_EXISTS if the id is in use; ERR_STATE without a
 * sandbox. A failure takes back what was done for it and touches nothing else.
 */
int container_create(struct sandbox *sb, const Grpc__CreateContainerRequest *req, struct deadline d,
		     struct err *e) must_check;

int container_start(struct container *c, struct deadline d, struct err *e) must_check;

/* ERR_EXISTS if the exec id is in use. Returns when its program runs. */
int container_exec(struct container *c, const char *exec_id, Grpc__Process *process,
		   struct deadline d, struct err *e) must_check;

/* SIGKILL to every process in it, whatever made them. Success also when none is left. */
int container_kill(struct container *c, struct err *e) must_check;

int container_pause(struct container *c, struct deadline d, struct err *e) must_check;
int container_resume(struct container *c, struct deadline d, struct err *e) must_check;
int container_update(struct container *c, const Grpc__LinuxResources *resources, struct err *e)
	must_check;

/* Kills what runs in it, then takes everything back. Nothing of it is left, or the log says what. */
void container_remove(struct container *c);
/* The same, but ERR_TIMEOUT when it takes longer than that: the removal goes on without the caller. */
int container_remove_until(struct container *c, struct deadline d, struct err *e) must_check;
void container_remove_all(struct sandbox *sb);

/* "" and the container's id mean the init (hosts differ); borrowed, NULL: no such process. */
struct process *container_find_process(const struct container *c, const char *exec_id);

#endif

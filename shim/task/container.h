/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_CONTAINER_H
#define HUSK_SHIM_TASK_CONTAINER_H

#include "agent.pb-c.h"
#include "config/config.h"
#include "shim/events/publisher.h"
#include "shim/sandbox/sandbox.h"
#include "shim/task/process.h"
#include "shim/task/service.h"

/*
 * The state behind the task service: its containers, their processes, the one sandbox. Shared by the
 * files of this directory only.
 */

/* A container, from the moment Create took its id until Delete (or a failed Create) gave it back. */
struct container {
	struct task_service *service;
	char *id, *bundle;
	/*
	 * It is the pod's sandbox itself, which needs no process: its init process is a matter of record,
	 * lasts until it is killed or the VM ends, and takes the VM along.
	 */
	bool is_sandbox;
	struct process *init;
	struct process *execs;            /* by exec id */
	struct sandbox_container *handle; /* NULL: not made in the guest yet, or removed again */

	struct fiber_group creating; /* the fiber of Create, for a Delete that comes meanwhile */
	bool unwanted;               /* a Delete has cancelled it: it must not succeed */
	Grpc__StatsContainerResponse *stats; /* the last that were seen; NULL: none */
	bool asking_stats;
	struct cond stats_changed;
	uint64_t oom_kills;

	unsigned refs;
	UT_hash_handle hh; /* in task_service.containers, by id */
};

/* A sandbox that was made through the sandbox API; shim/sandbox_api has more of it. */
struct api_sandbox;

struct task_service {
	char *ns, *sandbox_id;
	struct publisher *publisher;
	struct container *containers;

	char *config_path;       /* "" or what `start` was told, which not every Create repeats */
	struct config *config;   /* of the first Create */
	struct sandbox *sandbox; /* NULL: none yet, or forgotten */
	pid_t vmm_pid;           /* kept after its end */
	bool booting;            /* a Create is making it */
	bool ending, ended;      /* it is being stopped; it was stopped */
	bool agent_lost;         /* a SIGKILL got no answer: ask it nothing more */
	struct cond sandbox_changed;

	/* NULL: the sandbox comes and goes with a container, not by calls of its own. */
	struct api_sandbox *api;
	const char *pod_files;            /* directory of files for every container; NULL: none */
	struct timespec sandbox_ended_at; /* once it has, or is about to */
	struct err sandbox_end;           /* why, if it was not stopped: ERR_NONE */

	bool shutdown;
	bool shutdown_when_empty; /* it was asked for when the pod's own task was gone, and others not */
	struct cond shutdown_wanted;

	struct fiber_group fibers;   /* that wait for exits, and the one that ends the sandbox */
	struct fiber_group watchers; /* of this sandbox: they end with it */
	struct rpc_service rpc_v2, rpc_v3;
	const struct rpc_service *table[2];
};

/* In the service's table, which has the one reference to it; its init process is CREATING. */
struct container *container_new(struct task_service *s, const char *id, const char *bundle)
	must_check;
void container_ref(struct container *c);
void container_unref(struct container *c);

struct container *container_find(const struct task_service *s,
				 const char *id); /* borrowed or NULL */
struct process *container_find_exec(const struct container *c, const char *exec_id);

/* In the container's table, which has the one reference to it; CREATING. */
struct process *container_add_exec(struct container *c, const char *exec_id) must_check;

/* Out of the table: no request finds it any more. Drops the table's reference. */
void container_forget(struct container *c);
void container_forget_exec(struct process *p);

/* The container whose Create booted the sandbox: the sandbox ends with it. */
bool container_owns_sandbox(const struct container *c);

/* The agent, for a call that is about this container; ERR_STATE if the guest knows nothing of it. */
int container_agent(const struct container *c, struct agent **ret, struct err *e) must_check;

pid_t service_pid(const struct task_service *s); /* what every task's pid is, also after its end */

/* The agent, or -1 with ERR_UNAVAILABLE once the sandbox is gone. */
int service_agent(const struct task_service *s, struct agent **ret, struct err *e) must_check;

/* For a call to the agent on behalf of a request: no longer than configured. */
struct deadline service_deadline(const struct task_service *s, struct deadline request);

#endif

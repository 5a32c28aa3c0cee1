/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_H
#define HUSK_SHIM_SANDBOX_H

#include <sys/types.h>

#include "common/async/fiber.h"
#include "common/oci/spec.h"
#include "config/config.h"
#include "hypervisor/hypervisor.h"
#include "shim/agent/agent.h"

/*
 * A sandbox: one virtual machine with an agent in it and the containers it holds. It knows the VM,
 * the share and the agent; tasks, processes and their state are shim/task's.
 */
struct sandbox;

struct sandbox_params {
	const char *id;
	const char *ns;              /* containerd namespace */
	const char *bundle;          /* of the first container */
	const struct config *config; /* outlives the sandbox */
	const struct oci_spec *spec; /* of the first container: hostname, sysctls, sizes, netns */
};

/*
 * Boot the VM, connect to the agent, CreateSandbox. On failure everything is taken back and the
 * error carries the VMM's stderr and the last console lines.
 */
int sandbox_start(const struct sandbox_params *p, struct deadline d, struct sandbox **ret,
		  struct err *e) must_check;

/*
 * DestroySandbox (briefly), end the VM, take everything back. Works with a dead VM. Idempotent; a
 * second caller waits for the first. sandbox_free() does it too if need be.
 */
void sandbox_stop(struct sandbox *s);
void sandbox_free(struct sandbox *s);

/*
 * Of one that was stopped: until nobody is in a call of these any more, which sandbox_free() waits for
 * without a limit. A container whose files are on a server that does not answer is being made for long.
 */
int sandbox_wait_left(struct sandbox *s, struct deadline d, struct err *e) must_check;

/*
 * Until the VM is gone, for whatever reason; *why says what is known of it. ERR_CANCELLED there means
 * that sandbox_stop() ended it.
 */
int sandbox_wait_dead(struct sandbox *s, struct deadline d, struct err *why, struct err *e)
	must_check;
bool sandbox_alive(const struct sandbox *s);

/* Of one that died, what its reason says in words. */
struct sandbox_death {
	struct hv_dead_process process;
	bool host_oom; /* the host's OOM killer was at work in its cgroup */
};
struct sandbox_death sandbox_death(const struct sandbox *s);

pid_t sandbox_vmm_pid(const struct sandbox *s); /* what containerd is told as every task's pid */
struct agent *sandbox_agent(struct sandbox *s); /* borrowed, until sandbox_free() */

/*
 * Give the guest the links that came into the network namespace since it was started: some wire a
 * pod between Create and Start.
 */
int sandbox_update_network(struct sandbox *s, struct deadline d, struct err *e) must_check;

/*
 * The direct volume that containers mount from this path of the host's: how full it is, in a message
 * for grpc__volume_stats_response__free_unpacked(); and its disk and file system grown to so many
 * bytes. ERR_NOT_FOUND: no container has it.
 */
int sandbox_volume_stats(struct sandbox *s, const char *source, struct deadline d,
			 Grpc__VolumeStatsResponse **ret, struct err *e) must_check;
int sandbox_volume_grow(struct sandbox *s, const char *source, uint64_t bytes, struct deadline d,
			struct err *e) must_check;

/* One of containerd's mounts of a root file system (containerd.types.Mount). */
struct rootfs_mount {
	const char *type, *source, *target;
	char *const *options; /* NULL-terminated */
};

struct container_params {
	const char *id, *bundle;
	const struct oci_spec *spec; /* as containerd wrote it */
	const struct rootfs_mount *rootfs;
	size_t n_rootfs;
};

/*
 * Bring the root file system and the bind mounts into the guest, run the host's hooks (hooks.h), rewrite
 * the spec for the guest (agent-protocol.md 3.5) and CreateContainer. Rolled back on failure.
 */
struct sandbox_container;
int sandbox_create_container(struct sandbox *s, const struct container_params *p, struct deadline d,
			     struct sandbox_container **ret, struct err *e) must_check;

/*
 * New limits for a container: the VM grows if it must (resources.h), then they are set in the guest.
 * What `limits` does not name stays. On failure the container keeps what it had.
 */
int sandbox_update_container(struct sandbox *s, const char *id, const struct oci_resources *limits,
			     struct deadline d, struct err *e) must_check;

/* Its init runs: the host's poststart hooks. */
void sandbox_container_started(struct sandbox_container *c, struct deadline d);

/*
 * RemoveContainer and undo what create did on the host; errors are logged. The VM may be dead. From then
 * on it may outlive the sandbox. Nothing if that was done or is being done.
 */
void sandbox_take_out_container(struct sandbox_container *c, struct deadline d);
bool sandbox_container_is_out(const struct sandbox_container *c);

/* Take it out, or wait until it is, and run the host's poststop hooks, which have their own time. */
void sandbox_remove_container(struct sandbox_container *c, struct deadline d);

/* Without the hooks: they stay on record for `delete`. It was taken out, or is being taken out. */
void sandbox_forget_container(struct sandbox_container *c);

/*
 * For `delete` after a crash of the shim, from the files below `state_dir` (config.runtime.state_dir)
 * alone: kill what still runs, unmount, remove. Idempotent, succeeds when there is nothing; after an
 * error the files are there for another try. ERR_STATE, and nothing done, while the process that started
 * the sandbox lives. Not in a fiber.
 */
int sandbox_clean_up(const char *state_dir, const char *ns, const char *id, struct err *e)
	must_check;

#endif

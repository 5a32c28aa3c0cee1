/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_AGENT_H
#define HUSK_SHIM_AGENT_H

#include "agent.pb-c.h"
#include "common/net/transport.h"
#include "common/rpc/client.h"
#include "husk.pb-c.h"

/*
 * Typed calls to the agent in the guest, one function per RPC that the shim uses. Errors come back
 * with the agent's code and text, wrapped "agent: <method>". The guest is not trusted: what it
 * answers is checked here (exit codes 0 to 255, stream data no longer than asked for, valid UTF-8).
 *
 * exec_id "" means the container's init process.
 */
struct agent;

/*
 * Generated structs have plain `char *` members for text that packing only reads. This is the one
 * place that says so to the compiler.
 */
static inline char *message_text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* Connect and ask Health.Check until it answers, both within the deadline. */
struct agent *agent_connect(const struct transport_address *at, struct deadline d, struct err *e)
	must_check;

/*
 * The guest has so many processors: answers of many pages are gathered (rpc_client_gather()) where they come
 * over a serial port and there are several. docs/specification.md, "Stdout", has what that gains then,
 * and loses where there is one.
 */
void agent_set_vcpus(struct agent *a, uint32_t vcpus);

void agent_free(struct agent *a); /* calls that still wait fail; NULL is fine */

/* The VMM died: fail every call at once with ERR_UNAVAILABLE "the VM is gone". */
void agent_disconnect(struct agent *a);

/*
 * What the agent can do beyond the common protocol, by the names in its GetGuestDetails answer. Until
 * that was asked for: nothing.
 */
int agent_get_guest_details(struct agent *a, struct deadline d, struct err *e) must_check;
bool agent_has_feature(const struct agent *a, const char *name);
#define AGENT_FEATURE_ORDERED_STREAMS \
	"husk.ordered-streams" /* reads of a stream answered in order */

/* a directory of the share as the upper layer of disks (X-husk.upper-directory) */
#define AGENT_FEATURE_UPPER_DIRECTORY "husk.upper-directory"
/* storages of a merged EROFS image and of its blobs, each a partition (X-husk.blob-of-partition) */
#define AGENT_FEATURE_BLOB_PARTITIONS "husk.blob-partitions"
#define AGENT_FEATURE_FORWARD         "husk.forward" /* the calls below that begin agent_forward_ */
#define AGENT_FEATURE_PROJECTIONS     "husk.projections" /* agent_put_projection() */

/* Bytes by which the guest's kernel takes memory, from the same answer; 0: it does not say. */
uint64_t agent_memory_block(const struct agent *a);
/* Take what was plugged in into use, so that there are `vcpus` of them altogether. */
int agent_online_cpu_mem(struct agent *a, uint32_t vcpus, bool memory, struct deadline d,
			 struct err *e) must_check;

int agent_create_sandbox(struct agent *a, const Grpc__CreateSandboxRequest *req, struct deadline d,
			 struct err *e) must_check;
int agent_destroy_sandbox(struct agent *a, struct deadline d, struct err *e) must_check;
/* *ret: for grpc__volume_stats_response__free_unpacked(). */
int agent_volume_stats(struct agent *a, const char *path, struct deadline d,
		       Grpc__VolumeStatsResponse **ret, struct err *e) must_check;
int agent_resize_volume(struct agent *a, const char *path, uint64_t bytes, struct deadline d,
			struct err *e) must_check;
int agent_create_container(struct agent *a, const Grpc__CreateContainerRequest *req,
			   struct deadline d, struct err *e) must_check;
int agent_start_container(struct agent *a, const char *id, struct deadline d, struct err *e)
	must_check;
int agent_remove_container(struct agent *a, const char *id, struct deadline d, struct err *e)
	must_check;
int agent_exec_process(struct agent *a, const char *id, const char *exec_id, Grpc__Process *process,
		       struct deadline d, struct err *e) must_check;
int agent_signal_process(struct agent *a, const char *id, const char *exec_id, uint32_t signal,
			 struct deadline d, struct err *e) must_check;
int agent_wait_process(struct agent *a, const char *id, const char *exec_id, int *ret_status,
		       struct err *e) must_check; /* no deadline: until it exits or the VM dies */
int agent_write_stdin(struct agent *a, const char *id, const char *exec_id, const void *data,
		      size_t len, struct deadline d, struct err *e) must_check;
int agent_close_stdin(struct agent *a, const char *id, const char *exec_id, struct deadline d,
		      struct err *e) must_check;

enum agent_stream {
	AGENT_STDOUT,
	AGENT_STDERR
};
/* What a process has written: first what is in the pipe, then what is at `data`. */
struct agent_output {
	size_t piped;
	uint8_t *data; /* for free() */
	size_t len;
};
/*
 * Up to `max` bytes, much of them perhaps in `pipe` (-1: none; else its end for writing, O_NONBLOCK,
 * empty, and full of anything after an error). Nothing at all: end of stream. No deadline: until
 * there is something.
 */
int agent_read_stream(struct agent *a, enum agent_stream which, const char *id, const char *exec_id,
		      uint32_t max, int pipe, struct agent_output *ret, struct err *e) must_check;

int agent_resize_tty(struct agent *a, const char *id, const char *exec_id, uint32_t rows,
		     uint32_t columns, struct deadline d, struct err *e) must_check;
int agent_update_container(struct agent *a, const char *id, Grpc__LinuxResources *resources,
			   struct deadline d, struct err *e) must_check;
int agent_stats_container(struct agent *a, const char *id, Grpc__StatsContainerResponse **ret,
			  struct deadline d, struct err *e) must_check;
int agent_pause_container(struct agent *a, const char *id, struct deadline d, struct err *e)
	must_check;
int agent_resume_container(struct agent *a, const char *id, struct deadline d, struct err *e)
	must_check;
/* Until some container was hit by the OOM killer; *ret_id for free(). */
int agent_get_oom_event(struct agent *a, char **ret_id, struct err *e) must_check;
int agent_update_interface(struct agent *a, Types__Interface *i, struct deadline d, struct err *e)
	must_check;
int agent_update_routes(struct agent *a, Types__Route **route, size_t n, struct deadline d,
			struct err *e) must_check;
int agent_add_neighbors(struct agent *a, Types__ARPNeighbor **neighbor, size_t n, struct deadline d,
			struct err *e) must_check;
int agent_copy_file(struct agent *a, const Grpc__CopyFileRequest *req, struct deadline d,
		    struct err *e) must_check;
int agent_set_guest_date_time(struct agent *a, struct deadline d, struct err *e) must_check;

/* A projected volume shows these files from now on (husk.proto). */
int agent_put_projection(struct agent *a, const Husk__PutRequest *req, struct deadline d,
			 struct err *e) must_check;

/* A connection to a port of the guest's localhost. */
int agent_forward_connect(struct agent *a, uint16_t port, struct deadline d, uint64_t *ret_id,
			  struct err *e) must_check;
/* *ret_len 0: the server has sent all. *ret_data for free(). No deadline, as with the next. */
int agent_forward_receive(struct agent *a, uint64_t id, uint32_t max, uint8_t **ret_data,
			  size_t *ret_len, struct err *e) must_check;
int agent_forward_send(struct agent *a, uint64_t id, const void *data, size_t len, bool end,
		       struct err *e) must_check;
/* Whoever is receiving or sending gets an error. */
int agent_forward_disconnect(struct agent *a, uint64_t id, struct deadline d, struct err *e)
	must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_TASK_HARNESS_H
#define HUSK_TESTS_TASK_HARNESS_H

#include "tests/lib/test.h"

#include "common/rpc/client.h"
#include "shim/sandbox_api/service.h"
#include "shim/task/service.h"
#include "task.pb-c.h"
#include "tests/component/fake_guest.h"

/*
 * The real task service over a real ttrpc connection, with tests/component/fake_guest.h behind it and
 * a containerd in front of it that takes the events. For fibers.
 */
struct harness {
	char dir[64]; /* temporary; holds bundles, state directory, sockets */
	struct publisher *publisher;
	struct task_service *service;
	struct sandbox_service *sandboxes;
	struct rpc_client *client;
	struct fiber_group fibers; /* connections, and the test's own */
	struct io *events_listener;
	char events[8192]; /* "create c1;start c1;exit c1 c1 0;delete c1;" in order of arrival */
	char died
		[512]; /* of the event that tells of the sandbox's death: "<text>|<reason>|<key>=<value> …" */
	struct err e; /* of the last call */

	/* for the bundles that are made from now on; NULL: none */
	const char *container_type;
};
extern struct harness harness;

/* The events are taken from the start on, unless `events_later`. sandbox id: "c1". */
void harness_open(bool events_later);
void harness_close(void); /* checks that nothing is held */

/* containerd stops and starts listening for events. */
void harness_events_open(void);
void harness_events_close(void);

/* Wait until all events were taken, then compare. */
void harness_expect_events(const char *want);

/* Another connection to the same service. */
struct rpc_client *harness_connect(void);

/* The calls. 0, or -1 with harness.e. */
int task_create(const char *id);
int task_create_with(const Containerd__Task__V2__CreateTaskRequest *req);
int task_start(const char *id, const char *exec_id);
int task_kill(const char *id, const char *exec_id, uint32_t signal, bool all);
int task_exec(const char *id, const char *exec_id, bool terminal);
int task_wait(const char *id, const char *exec_id, uint32_t *ret_status);
int task_delete(const char *id, const char *exec_id, uint32_t *ret_status);
int task_shutdown(bool now);
int task_pause(const char *id);
int task_resume(const char *id);
int task_resize(const char *id, const char *exec_id, uint32_t width, uint32_t height);
int task_close_io(const char *id, const char *exec_id);
int task_stats(const char *id, uint64_t *ret_pids); /* what the fake guest says: 7 */

/* The status of State; -1: the call failed. Checks what must always hold of the answer. */
int task_status(const char *id, const char *exec_id);

/* The bundle of a task; made if need be. */
void harness_bundle(const char *id, char ret[static 128]);

#define STATUS_CREATED CONTAINERD__V1__TYPES__STATUS__CREATED
#define STATUS_RUNNING CONTAINERD__V1__TYPES__STATUS__RUNNING
#define STATUS_STOPPED CONTAINERD__V1__TYPES__STATUS__STOPPED
#define STATUS_PAUSED  CONTAINERD__V1__TYPES__STATUS__PAUSED

#endif

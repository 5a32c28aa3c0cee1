/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the task service, several in a row, with a guest that answers everything. Whatever they
 * are, the service survives them and gives back all it took.
 *
 * The input: for each request the number of the method in the service, the length of the message in
 * two bytes (big-endian), the message. Create finds a bundle at FUZZ_BUNDLE.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/task/service.h"
#include "task.pb-c.h"
#include "tests/component/fake_guest.h"

#define FUZZ_DIR     "/tmp/husk-fuzz-task"
#define FUZZ_BUNDLE  FUZZ_DIR "/bundle"
#define REQUESTS_MAX 64
#define HEAD_BYTES   3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rpc_service *const *table;
static size_t n_table;

struct request {
	const char *method;
	const uint8_t *payload;
	size_t len;
};

struct input {
	const uint8_t *data;
	size_t size;
};

static void run_request(void *arg)
{
	struct request *r = arg;
	struct err e = ERR_INIT;
	uint8_t *resp = NULL;
	size_t len;

	if (rpc_dispatch(table, n_table, "containerd.task.v3.Task", r->method, r->payload, r->len,
			 &resp, &len, &e) == 0)
		free(resp);
	free(r);
}

static void run_requests(const struct input *in, struct fiber_group *requests)
{
	const ProtobufCServiceDescriptor *desc = &containerd__task__v2__task__descriptor;
	const uint8_t *at = in->data, *end = in->data + in->size;

	for (int n = 0; n < REQUESTS_MAX && (size_t)(end - at) >= HEAD_BYTES; n++) {
		struct request *r = xnew(struct request);
		size_t len = (size_t)at[1] << 8 | at[2];

		r->method = desc->methods[at[0] % desc->n_methods].name;
		at += HEAD_BYTES;
		r->len = len < (size_t)(end - at) ? len : (size_t)(end - at);
		r->payload = at;
		at += r->len;
		fiber_group_start(requests, "request", run_request, r);
		for (int i = 0; i < 8; i++)
			fiber_yield();
	}
}

static void run(void *arg)
{
	struct fiber_group requests = FIBER_GROUP_INIT;
	struct publisher *publisher;
	struct task_service *service;

	fake_reset();
	publisher = publisher_new("", "fuzz");
	service = task_service_new(&(struct task_service_params){
		.ns = "fuzz", .sandbox_id = "a", .publisher = publisher });
	table = task_service_table(service, &n_table);
	run_requests(arg, &requests);

	/* The end of the VM ends all that waits for a process; a Wait that came later is cancelled. */
	fake_die();
	while (requests.first) {
		fiber_group_cancel(&requests);
		fiber_yield();
	}
	task_service_free(service);
	publisher_free(publisher);
	if (fake.held != 0 || fake.streams_open != 0)
		abort();
}

static void write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		abort();
}

static void make_files(void)
{
	if ((mkdir(FUZZ_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(FUZZ_BUNDLE, 0700) < 0 && errno != EEXIST))
		abort();
	write_file(FUZZ_BUNDLE "/config.json",
		   "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},"
		   "\"args\":[\"true\"],\"cwd\":\"/\"},\"root\":{\"path\":\"rootfs\"},"
		   "\"linux\":{}}");
	write_file(FUZZ_DIR "/configuration.toml", "[runtime]\nstate_dir = \"" FUZZ_DIR "\"\n");
	if (setenv("HUSK_CONF_FILE", FUZZ_DIR "/configuration.toml", 1) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct input in = { data, size };
	struct err e = ERR_INIT;

	if (!ready) {
		make_files();
		log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
		ready = true;
	}
	fiber_main(run, &in);
	/* A sandbox whose id the input chose would have left it here. */
	if (path_remove_tree(AT_FDCWD, FUZZ_DIR "/a", &e) < 0)
		abort();
	return 0;
}

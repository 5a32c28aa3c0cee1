/* SPDX-License-Identifier: Apache-2.0 */
/* husk.Forward of a real agent: connections to a server in the agent's network namespace. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/async/io.h"
#include "husk.pb-c.h"
#include "tests/component/agent_harness.h"
#include "tests/lib/test.h"

static int listen_at_localhost(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

/* A listening socket in the agent's namespace; its port. */
static int serve_beside(const struct agent_run *run, uint32_t *ret_port)
{
	auto_free char *path = xasprintf("/proc/%d/ns/net", (int)child_pid(run->agent));
	auto_close int theirs = open(path, O_RDONLY | O_CLOEXEC);
	auto_close int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	int fd;

	if (theirs < 0 || ours < 0 || setns(theirs, CLONE_NEWNET) < 0)
		return -1;
	fd = listen_at_localhost();
	if (setns(ours, CLONE_NEWNET) < 0)
		abort();
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static int forward_call(struct agent_run *run, const char *method, const void *req, void *ret_resp)
{
	run->e = ERR_INIT;
	return rpc_call(run->client, &husk__forward__descriptor, method, NULL, req, ret_resp,
			SECONDS(60), &run->e);
}

static int connect_to(struct agent_run *run, uint32_t port, uint64_t *ret_id)
{
	Husk__ConnectRequest req;
	Husk__ConnectResponse *resp = NULL;

	husk__connect_request__init(&req);
	req.port = port;
	if (forward_call(run, "Connect", &req, &resp) < 0)
		return -1;
	*ret_id = resp->id;
	husk__connect_response__free_unpacked(resp, NULL);
	return 0;
}

static int send_text(struct agent_run *run, uint64_t id, const char *text, bool end)
{
	Husk__SendRequest req;

	husk__send_request__init(&req);
	req.id = id;
	req.data.data = (uint8_t *)(uintptr_t)text;
	req.data.len = strlen(text);
	req.end = end;
	return forward_call(run, "Send", &req, NULL);
}

/* What came, up to 64 bytes, as text. */
static int receive(struct agent_run *run, uint64_t id, char ret[static 65])
{
	Husk__ReceiveRequest req;
	Husk__ReceiveResponse *resp = NULL;

	husk__receive_request__init(&req);
	req.id = id;
	req.max = 64;
	if (forward_call(run, "Receive", &req, &resp) < 0)
		return -1;
	(void)snprintf(ret, 65, "%.*s", (int)resp->data.len, (const char *)resp->data.data);
	husk__receive_response__free_unpacked(resp, NULL);
	return 0;
}

static int disconnect(struct agent_run *run, uint64_t id)
{
	Husk__DisconnectRequest req;

	husk__disconnect_request__init(&req);
	req.id = id;
	return forward_call(run, "Disconnect", &req, NULL);
}

/* Bytes both ways, the client's end before the server's. */
static void carries(struct agent_run *run)
{
	uint32_t port = 0;
	int fd = serve_beside(run, &port);
	auto_io struct io *listener = NULL;
	auto_io struct io *server = NULL;
	char text[65];
	uint64_t id = 0;

	CHECK(run, fd >= 0);
	listener = io_consume(fd, &run->e);
	CHECK(run, listener);
	CHECK(run, connect_to(run, port, &id) == 0);
	fd = io_accept(listener, SECONDS(60), &run->e);
	CHECK(run, fd >= 0);
	server = io_consume(fd, &run->e);
	CHECK(run, server);
	CHECK(run, send_text(run, id, "question", true) == 0);
	CHECK(run, io_read_exactly(server, text, strlen("question"), SECONDS(60), &run->e) == 0);
	CHECK(run, memcmp(text, "question", strlen("question")) == 0);
	CHECK(run, io_read(server, text, 1, SECONDS(60), &run->e) == 0);
	CHECK(run, io_write(server, "answer", strlen("answer"), SECONDS(60), &run->e) == 0);
	CHECK(run, receive(run, id, text) == 0);
	CHECK(run, strcmp(text, "answer") == 0);
	io_shutdown(server);
	CHECK(run, receive(run, id, text) == 0);
	CHECK(run, text[0] == '\0');
	CHECK(run, disconnect(run, id) == 0);
	CHECK_ERR(run, disconnect(run, id), ERR_NOT_FOUND, "no connection");
}

static void waiting(void *arg)
{
	struct agent_run *run = *(struct agent_run **)arg;
	struct agent_run other = *run;
	char text[65];

	other.e = ERR_INIT;
	*(struct agent_run **)arg = receive(&other, 1, text) < 0 ? NULL : run;
}

/* A connection that is ended under whoever waits for it; a second who waits. */
static void ends_under_a_waiter(struct agent_run *run)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct agent_run *result = run;
	uint32_t port = 0;
	auto_close int fd = serve_beside(run, &port);
	char text[65];
	uint64_t id = 0;

	CHECK(run, fd >= 0);
	CHECK(run, connect_to(run, port, &id) == 0);
	CHECK(run, id == 1);
	fiber_group_start(&group, "receiver", waiting, &result);
	CHECK(run, fiber_sleep_ms(200, &run->e) == 0);
	CHECK_ERR(run, receive(run, id, text), ERR_STATE, "another request");
	CHECK(run, disconnect(run, id) == 0);
	fiber_group_wait(&group);
	CHECK(run, result == NULL);
}

static void refuses(struct agent_run *run)
{
	uint64_t id = 0;
	char text[65];

	CHECK_ERR(run, connect_to(run, 0, &id), ERR_INVALID, "no port");
	CHECK_ERR(run, connect_to(run, 65536, &id), ERR_INVALID, "no port");
	CHECK(run, connect_to(run, 9, &id) < 0);
	CHECK(run, strstr(run->e.text, "port 9 of the guest's localhost") != NULL);
	CHECK_ERR(run, receive(run, 77, text), ERR_NOT_FOUND, "no connection 77");
	CHECK_ERR(run, send_text(run, 77, "x", false), ERR_NOT_FOUND, "no connection 77");
}

AGENT_TEST(carries)
AGENT_TEST(ends_under_a_waiter)
AGENT_TEST(refuses)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carries),
		cmocka_unit_test(test_ends_under_a_waiter),
		cmocka_unit_test(test_refuses),
	};

	if (agent_tests_skipped())
		return AGENT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams of the agent's processes, over a unix socket. Needs root. */
#include "tests/lib/test.h"

#include <signal.h>

#include "common/async/fiber.h"
#include "tests/component/agent_harness.h"

/* The exit is asked for before anybody has read: what was written must still be there. */
static void output_after_wait(struct agent_run *run)
{
	for (int i = 0; i < 20; i++) {
		auto_free char *id = xasprintf("c%d", i + 10);
		auto_buf struct buf out = BUF_INIT;
		int code;

		CHECK(run, agent_run_script(run, id, "seq 1 20000") == 0);
		CHECK(run, agent_wait(run, id, id, &code) == 0 && code == 0);
		CHECK(run, agent_read_all(run, "ReadStdout", id, id, &out) == 0);
		CHECK(run, out.len == 108894);
		CHECK(run, memcmp(out.data + out.len - 6, "20000\n", 6) == 0);
		CHECK(run, agent_remove(run, id) == 0);
	}
}

/* A child in the background holds the pipes: the end comes all the same, with what there was. */
static void background_child(struct agent_run *run)
{
	auto_buf struct buf out = BUF_INIT;
	int64_t began;
	int code;

	CHECK(run, agent_run_script(run, "c1", "sleep 100 & sleep 100") == 0);
	began = clock_now_ms();
	CHECK(run, agent_exec(run, "c1", "e1", "echo first; sleep 50 & echo last") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "e1", &out) == 0);
	CHECK(run, TEXT_IS(out, "first\nlast\n"));
	CHECK(run, clock_now_ms() - began >= 300 && clock_now_ms() - began < AT_ONCE_MS);
	CHECK(run, agent_wait(run, "c1", "e1", &code) == 0 && code == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void standard_input(struct agent_run *run)
{
	static char big[300000];
	auto_buf struct buf out = BUF_INIT;
	int code;

	CHECK(run, agent_run_script(run, "c1", "cat; echo end") == 0);
	CHECK(run, agent_write(run, "c1", "", "hello\n", 6) == 0);
	CHECK(run, agent_close_stdin(run, "c1", "") == 0);
	CHECK(run, agent_close_stdin(run, "c1", "") == 0);
	CHECK_ERR(run, agent_write(run, "c1", "", "x", 1), ERR_STATE, "closed");
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "", &out) == 0);
	CHECK(run, TEXT_IS(out, "hello\nend\n"));
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 0);
	CHECK(run, agent_remove(run, "c1") == 0);

	/* More than the pipe holds, and the end as an empty write. */
	memset(big, 'x', sizeof(big));
	CHECK(run, agent_run_script(run, "c2", "wc -c") == 0);
	CHECK(run, agent_write(run, "c2", "", big, sizeof(big)) == 0);
	CHECK(run, agent_write(run, "c2", "", "", 0) == 0);
	out.len = 0;
	CHECK(run, agent_read_all(run, "ReadStdout", "c2", "", &out) == 0);
	CHECK(run, TEXT_IS(out, "300000\n"));
	CHECK(run, agent_remove(run, "c2") == 0);
}

struct blocked_write {
	struct agent_run *run;
	struct fiber_group group;
	struct err e;
	int r;
};

static void write_much(void *arg)
{
	static char big[200000];
	struct blocked_write *w = arg;
	Grpc__WriteStreamRequest req;

	grpc__write_stream_request__init(&req);
	req.container_id = (char *)(uintptr_t) "c1";
	req.data.data = (uint8_t *)big;
	req.data.len = sizeof(big);
	w->r = rpc_call(w->run->client, &grpc__agent_service__descriptor, "WriteStdin", NULL, &req,
			NULL, SECONDS(60), &w->e);
}

/* A process that does not read its input holds up that call and no other. */
static void stalled_input(struct agent_run *run)
{
	struct blocked_write w = { .run = run };
	int code = -1;

	CHECK(run, agent_run_script(run, "c1", "sleep 100") == 0);
	fiber_group_start(&w.group, "writer", write_much, &w);
	fiber_yield();
	if (agent_exec(run, "c1", "e1", "exit 5") == 0)
		(void)!agent_wait(run, "c1", "e1", &code);
	(void)!agent_signal(run, "c1", "", SIGKILL);
	fiber_group_wait(&w.group);
	CHECK(run, code == 5);
	CHECK(run, w.r < 0 && w.e.code == ERR_STATE);
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void terminal(struct agent_run *run)
{
	static const char *const args[] = { "sh", "-c", "read x; stty size; tty; exit 6", NULL };
	const struct agent_container c = { .id = "c1", .args = args, .terminal = true };
	auto_buf struct buf out = BUF_INIT;
	int code;

	CHECK(run, agent_create(run, &c) == 0);
	CHECK(run, agent_start(run, "c1") == 0);
	CHECK(run, agent_resize(run, "c1", "", 43, 132) == 0);
	CHECK_ERR(run, agent_resize(run, "c1", "", 70000, 1), ERR_INVALID, "70000");
	CHECK(run, agent_close_stdin(run, "c1", "") == 0); /* does not hang the terminal up */
	CHECK(run, agent_write(run, "c1", "", "go\n", 3) == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "", &out) == 0);
	CHECK(run, memmem(out.data, out.len, "43 132\r\n", 8) != NULL);
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 6);
	CHECK(run, agent_remove(run, "c1") == 0);

	CHECK(run, agent_run_script(run, "c2", "sleep 100") == 0);
	CHECK_ERR(run, agent_resize(run, "c2", "", 1, 1), ERR_UNAVAILABLE, "no tty");
	CHECK(run, agent_remove(run, "c2") == 0);
}

struct pending_read {
	struct agent_run *run;
	struct pending_read *others;
	uint32_t len;
	char got[16];
};

static void read_some(void *arg)
{
	struct pending_read *r = arg;
	Grpc__ReadStreamRequest req;
	Grpc__ReadStreamResponse *resp;
	struct err e = ERR_INIT;

	grpc__read_stream_request__init(&req);
	req.container_id = (char *)(uintptr_t) "c1";
	req.len = r->len;
	if (rpc_call(r->run->client, &grpc__agent_service__descriptor, "ReadStdout", NULL, &req,
		     &resp, SECONDS(60), &e) < 0)
		return;
	if (resp->data.len < sizeof(r->got) && resp->data.len > 0)
		memcpy(r->got, resp->data.data, resp->data.len);
	grpc__read_stream_response__free_unpacked(resp, NULL);
}

/* Several reads of one stream at once get its bytes in the order in which they were asked for. */
static void ordered_reads(struct agent_run *run)
{
	struct pending_read reads[4] = { { .len = 3 }, { .len = 3 }, { .len = 3 }, { .len = 3 } };
	struct fiber_group group = FIBER_GROUP_INIT;

	CHECK(run, agent_run_script(run, "c1", "read x; printf abcdefghijkl") == 0);
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		reads[i].run = run;
		fiber_group_start(&group, "reader", read_some, &reads[i]);
		fiber_yield();
	}
	CHECK(run, agent_write(run, "c1", "", "go\n", 3) == 0);
	fiber_group_wait(&group);
	CHECK(run, strcmp(reads[0].got, "abc") == 0);
	CHECK(run, strcmp(reads[1].got, "def") == 0);
	CHECK(run, strcmp(reads[2].got, "ghi") == 0);
	CHECK(run, strcmp(reads[3].got, "jkl") == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
}

/* A host that comes back finds everything, and a read it left behind took nothing with it. */
static void reconnect(struct agent_run *run)
{
	struct pending_read lost = { .run = run, .len = 3 };
	struct fiber_group group = FIBER_GROUP_INIT;
	auto_buf struct buf out = BUF_INIT;
	int code;

	CHECK(run, agent_run_script(run, "c1", "read x; echo whole; exit 2") == 0);
	fiber_group_start(&group, "reader", read_some, &lost);
	fiber_yield();
	CHECK(run, agent_write(run, "c1", "nobody", "", 0) < 0); /* the read has arrived before */
	CHECK(run, agent_reconnect(run) == 0);
	fiber_group_wait(&group);
	CHECK(run, agent_write(run, "c1", "", "go\n", 3) == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "", &out) == 0);
	CHECK(run, TEXT_IS(out, "whole\n"));
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 2);
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void throughput(struct agent_run *run)
{
	const uint64_t want = 64u << 20;
	uint64_t got = 0;
	int code;

	CHECK(run, agent_run_script(run, "c1", "head -c 67108864 /dev/zero") == 0);
	for (;;) {
		auto_free char *data = NULL;
		size_t len;

		CHECK(run, agent_read(run, "ReadStdout", "c1", "", 1u << 20, &data, &len) == 0);
		got += len;
		if (len == 0)
			break;
	}
	CHECK(run, got == want);
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
}

AGENT_TEST(output_after_wait)
AGENT_TEST(background_child)
AGENT_TEST(standard_input)
AGENT_TEST(stalled_input)
AGENT_TEST(terminal)
AGENT_TEST(ordered_reads)
AGENT_TEST(reconnect)
AGENT_TEST(throughput)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_after_wait), cmocka_unit_test(test_background_child),
		cmocka_unit_test(test_standard_input),    cmocka_unit_test(test_stalled_input),
		cmocka_unit_test(test_terminal),          cmocka_unit_test(test_ordered_reads),
		cmocka_unit_test(test_reconnect),         cmocka_unit_test(test_throughput),
	};

	if (agent_tests_skipped())
		return AGENT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

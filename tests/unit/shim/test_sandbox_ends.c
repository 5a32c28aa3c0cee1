/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes that end while something is going on in them: death of the VM, a stop in the middle. */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "shim/net/network.h"
#include "tests/unit/shim/sandbox_case.h"

/* A step of this takes a while, whatever ends meanwhile. */
int __real_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e);
int __wrap_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e);
int __wrap_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e)
{
	if (fiber_sleep_ms(300, e) < 0)
		return -1;
	t.ok = fake_hv.running == 1;
	return __real_network_update(n, hv, a, d, e);
}

static void die_soon(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (fiber_sleep_ms(50, &e) == 0)
		fake_hv_die("qemu was killed by signal 9");
}

static void dies_while_connecting(void *arg)
{
	fiber_start("killer", die_soon, NULL);
	start_only(arg);
}

static void test_vm_dies_while_connecting(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fake_hv.silent = true;
	fiber_main(dies_while_connecting, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "the VM died: qemu was killed by signal 9"));
	assert_in_range(t.ms, 40, AT_ONCE_MS);
}

/* Its connection ends before the news of its death is there. */
static void hang_up_then_die(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (fiber_sleep_ms(50, &e) < 0)
		return;
	fake_hv_hang_up();
	if (fiber_sleep_ms(20, &e) == 0)
		fake_hv_die("qemu was killed by signal 9");
}

static void hangs_up_and_dies(void *arg)
{
	fiber_start("killer", hang_up_then_die, NULL);
	start_only(arg);
}

static void hang_up_soon(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (fiber_sleep_ms(50, &e) == 0)
		fake_hv_hang_up();
}

static void hangs_up(void *arg)
{
	fiber_start("hanger-up", hang_up_soon, NULL);
	start_only(arg);
}

static void test_stream_ends_while_connecting(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fake_hv.stream = true;
	fiber_main(hangs_up_and_dies, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "the VM died: qemu was killed by signal 9"));
	assert_in_range(t.ms, 40, AT_ONCE_MS);
	t.e = ERR_INIT;
	fiber_main(hangs_up, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "serial port: read: Connection reset by peer"));
	assert_in_range(t.ms, 40, AT_ONCE_MS);
}

static void dies_at_work(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;
	int64_t began;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.result = create(s, &c, &t.e);
	fiber_start("killer", die_soon, NULL);
	began = clock_now_ms();
	t.second = sandbox_wait_dead(s, deadline_in_ms(PATIENCE_MS), &t.why, &t.e);
	t.ms = clock_now_ms() - began;
	/* The agent is asked nothing any more, and nobody waits for it. */
	t.ok = !sandbox_alive(s) &&
	       agent_start_container(sandbox_agent(s), "c1", deadline_in_ms(PATIENCE_MS), &e) < 0 &&
	       e.code == ERR_UNAVAILABLE && strstr(e.text, "the VM is gone");
	sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
	began = clock_now_ms();
	sandbox_free(s);
	t.ok = t.ok && clock_now_ms() - began < AT_ONCE_MS;
}

static void test_vm_dies_at_work(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(dies_at_work, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, 0);
	assert_string_equal(t.why.text, "qemu was killed by signal 9");
	assert_in_range(t.ms, 40, AT_ONCE_MS);
	assert_true(t.ok);
}

static void create_slowly(void *arg)
{
	struct sandbox_container *c = NULL;
	char *words[] = { message_text("sleep"), message_text("0.3"), NULL };
	struct oci_hook hook = { .path = message_text("/bin/sleep"), .args = words };

	t.spec->hooks.create_runtime = &hook;
	t.spec->hooks.n_create_runtime = 1;
	t.second = create(arg, &c, &t.e);
	t.spec->hooks.create_runtime = NULL;
	t.spec->hooks.n_create_runtime = 0;
	if (t.second == 0)
		sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
}

static void ends_meanwhile(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	fiber_group_start(&group, "create", create_slowly, s);
	t.ok = fiber_sleep_ms(100, &e) == 0;
	sandbox_stop(s);
	fiber_group_wait(&group);
	sandbox_free(s);
}

/* The sandbox goes from under a container that is being made. What leaks then a sanitizer sees. */
static void test_ends_while_a_container_is_made(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(ends_meanwhile, NULL);
	assert_int_equal(t.result, 0);
	assert_true(t.ok);
	assert_int_equal(t.second, -1);
	assert_string_equal(t.e.text,
			    "create container c1: the VM is gone: the sandbox was stopped");
}

static void free_now(void *arg)
{
	sandbox_free(arg);
	t.ok = t.second != -2;
}

static void freed_while_a_container_is_made(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	fiber_group_start(&group, "create", create_slowly, s);
	if (fiber_sleep_ms(100, &e) == 0)
		fiber_group_start(&group, "free", free_now, s);
	fiber_group_wait(&group);
}

/* As by the Create that makes the next one. */
static void test_freed_while_a_container_is_made(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(freed_while_a_container_is_made, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, -1);
	assert_true(t.ok);
}

static void update_network(void *arg)
{
	t.second = sandbox_update_network(arg, deadline_in_ms(PATIENCE_MS), &t.e);
}

static void ends_beside_network_update(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	fiber_group_start(&group, "network", update_network, s);
	fiber_yield();
	sandbox_stop(s);
	fiber_group_wait(&group);
	sandbox_free(s);
}

/* Links that are plugged in meanwhile are the network's and the machine's. */
static void test_ends_beside_network_update(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(ends_beside_network_update, NULL);
	assert_int_equal(t.result, 0);
	assert_true(t.ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_vm_dies_while_connecting),
		CASE(test_stream_ends_while_connecting),
		CASE(test_vm_dies_at_work),
		CASE(test_ends_while_a_container_is_made),
		CASE(test_freed_while_a_container_is_made),
		CASE(test_ends_beside_network_update),
	};

	return cmocka_run_group_tests_name("sandbox ends", tests, group_set_up, group_tear_down);
}

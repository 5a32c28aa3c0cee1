/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox that grows with its containers, with a scripted machine and agent: sums, what is given
 * back, each step failed in turn, containers at the same time.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox/state.h"
#include "tests/unit/shim/fake_hv.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define SPEC                                                                       \
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"}," \
	"\"root\":{\"path\":\"rootfs\"},\"linux\":{}}"

static struct {
	char dir[64];
	char *state_dir;
	struct config config;
	struct oci_spec *spec;
	struct sandbox *s;
	struct err e;
} t;

static int set_up(void **state)
{
	(void)state;
	memset(&fake_hv, 0, sizeof(fake_hv));
	memset(&t, 0, sizeof(t));
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-resources-XXXXXX");
	if (!mkdtemp(t.dir) || oci_spec_parse(SPEC, strlen(SPEC), &t.spec, &t.e) < 0)
		return -1;
	t.state_dir = path_join(t.dir, "state");
	t.config.runtime.state_dir = t.state_dir;
	t.config.runtime.dan_conf = TEXT("");
	t.config.runtime.internetworking_model = TEXT("none");
	t.config.runtime.kubelet_root_dir = t.dir;
	t.config.hypervisor.shared_fs = TEXT("none");
	t.config.hypervisor.default_vcpus = 1;
	t.config.hypervisor.default_maxvcpus = 8;
	t.config.hypervisor.default_memory_mib = 256;
	t.config.hypervisor.default_maxmemory_mib = 4096;
	t.config.hypervisor.memory_slots = 10;
	t.config.agent.dial_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.request_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.create_container_timeout_s = PATIENCE_MS / 1000;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	oci_spec_free(t.spec);
	free(t.state_dir);
	assert_int_equal(fake_hv.running, 0);
	return path_remove_tree(AT_FDCWD, t.dir, &t.e);
}

static void open_sandbox(void)
{
	const struct sandbox_params p = {
		.id = "s1", .ns = "default", .bundle = t.dir, .config = &t.config, .spec = t.spec
	};

	assert_ok(sandbox_start(&p, deadline_in_ms(PATIENCE_MS), &t.s, &t.e), &t.e);
	fake_hv.methods[0] = '\0';
}

/* Limits in MiB and thousandths of a CPU; 0: they are not there. */
static struct oci_resources *limits(int64_t mib, int64_t millicpus, const char *cpus)
{
	auto_free char *memory =
		mib ? xasprintf("\"memory\":{\"limit\":%lld},", (long long)mib * 1048576)
		    : xstrdup("");
	auto_free char *quota = millicpus ? xasprintf("\"quota\":%lld,\"period\":100000,",
						      (long long)millicpus * 100)
					  : xstrdup("");
	auto_free char *text =
		xasprintf("{%s\"cpu\":{%s\"cpus\":\"%s\"}}", memory, quota, cpus ? cpus : "");
	struct oci_resources *r = NULL;

	assert_ok(oci_resources_parse(text, strlen(text), &r, &t.e), &t.e);
	return r;
}

static int claim(const char *id, int64_t mib, int64_t millicpus, struct undo *u)
{
	auto_oci_resources struct oci_resources *r = limits(mib, millicpus, NULL);

	t.e = ERR_INIT;
	return resources_claim(t.s, id, r, deadline_in_ms(PATIENCE_MS), u, &t.e);
}

static int change(const char *id, int64_t mib, int64_t millicpus)
{
	auto_oci_resources struct oci_resources *r = limits(mib, millicpus, NULL);

	t.e = ERR_INIT;
	return sandbox_update_container(t.s, id, r, deadline_in_ms(PATIENCE_MS), &t.e);
}

static void check_size(unsigned vcpus, unsigned mib)
{
	if (fake_hv.vcpus != vcpus || fake_hv.mib != mib)
		fail_msg("%u CPUs, %u MiB; want %u, %u", fake_hv.vcpus, fake_hv.mib, vcpus, mib);
}

static unsigned claims(void)
{
	return (t.s->resources.claims != NULL) + t.s->resources.busy;
}

static void sums(void *arg)
{
	auto_undo struct undo a = UNDO_INIT, b = UNDO_INIT, c = UNDO_INIT;

	(void)arg;
	open_sandbox();
	assert_ok(claim("a", 0, 0, &a), &t.e);
	check_size(1, 256);
	assert_string_equal(fake_hv.methods, ""); /* nothing grew: nobody is asked */
	assert_ok(claim("b", 100, 500, &b), &t.e);
	check_size(2, 256 + 128);
	assert_string_equal(fake_hv.methods, "OnlineCPUMem OnlineCPUMem");
	assert_ok(claim("c", 100, 600, &c), &t.e);
	check_size(3, 256 + 256);
	/* What one leaves is there for the next. */
	undo_run(&b);
	fake_hv.methods[0] = '\0';
	assert_ok(claim("d", 150, 300, &b), &t.e);
	check_size(3, 256 + 256);
	assert_string_equal(fake_hv.methods, "");
	undo_run(&a);
	undo_run(&b);
	undo_run(&c);
	sandbox_free(t.s);
}

static void updates(void *arg)
{
	auto_undo struct undo a = UNDO_INIT;

	(void)arg;
	open_sandbox();
	assert_ok(claim("a", 100, 500, &a), &t.e);
	fake_hv.methods[0] = '\0';
	assert_ok(change("a", 200, 0), &t.e); /* the CPUs' limit stays as it is */
	check_size(2, 256 + 256);
	assert_string_equal(fake_hv.methods, "OnlineCPUMem UpdateContainer");
	assert_ok(change("a", 10, 0), &t.e);
	assert_ok(change("a", -1, -1), &t.e);
	check_size(2, 256 + 256);
	assert_err(change("a", 5000, 0), &t.e, ERR_EXHAUSTED,
		   "hypervisor.default_maxmemory = 4096");
	assert_err(change("a", 0, 8001), &t.e, ERR_EXHAUSTED, "hypervisor.default_maxvcpus = 8");
	assert_err(change("b", 10, 0), &t.e, ERR_NOT_FOUND, "");
	/* What failed left no trace: the limits are those of before. */
	assert_ok(change("a", 0, 1000), &t.e);
	check_size(2, 256 + 256);
	/* Nor what the guest refused, and the room that was made for it serves the next. */
	fake_hv.refuse = "UpdateContainer";
	assert_err(change("a", 500, 0), &t.e, ERR_INTERNAL, "refused by the script");
	check_size(2, 256 + 512);
	fake_hv.refuse = NULL;
	assert_ok(change("a", 500, 0), &t.e);
	check_size(2, 256 + 512);
	undo_run(&a);
	sandbox_free(t.s);
}

/* Each step of growing fails once; the next try goes on from there, with the rest. */
static void each_step_fails(void *arg)
{
	(void)arg;
	for (unsigned n = 1; n <= 2; n++) {
		auto_undo struct undo a = UNDO_INIT;

		open_sandbox();
		fake_hv.refuse_growth = n;
		assert_err(claim("a", 100, 500, &a), &t.e, ERR_EXHAUSTED, "no room to grow");
		undo_run(&a);
		assert_int_equal(claims(), 0);
		assert_ok(claim("a", 100, 500, &a), &t.e);
		check_size(2, 256 + 128);
		undo_run(&a);
		sandbox_free(t.s);
	}
}

/* What the agent did not take into use it is asked for again. */
static void agent_fails(void *arg)
{
	auto_undo struct undo a = UNDO_INIT;

	(void)arg;
	open_sandbox();
	fake_hv.refuse = "OnlineCPUMem";
	assert_err(claim("a", 100, 0, &a), &t.e, ERR_INTERNAL, "OnlineCPUMem");
	undo_run(&a);
	fake_hv.refuse = NULL;
	fake_hv.methods[0] = '\0';
	assert_ok(claim("a", 100, 0, &a), &t.e);
	assert_string_equal(fake_hv.methods, "OnlineCPUMem");
	check_size(1, 256 + 128);
	undo_run(&a);
	sandbox_free(t.s);
}

/* A small guest is not given all at once. */
static void steps(void *arg)
{
	auto_undo struct undo a = UNDO_INIT;

	(void)arg;
	t.config.hypervisor.default_memory_mib = 64;
	t.config.hypervisor.default_maxmemory_mib = 8192;
	open_sandbox();
	assert_ok(claim("a", 3000, 0, &a), &t.e);
	check_size(1, 64 + 1024 + 2048);
	assert_string_equal(fake_hv.methods, "OnlineCPUMem OnlineCPUMem");
	undo_run(&a);
	sandbox_free(t.s);
}

static void kernel_cannot(void *arg)
{
	auto_undo struct undo a = UNDO_INIT;

	(void)arg;
	fake_hv.no_memory_hotplug = true;
	open_sandbox();
	assert_ok(claim("a", 0, 1000, &a), &t.e);
	assert_err(claim("b", 100, 0, &a), &t.e, ERR_UNSUPPORTED, "no memory hot-plug");
	check_size(2, 256);
	undo_run(&a);
	sandbox_free(t.s);
}

static void fixed(void *arg)
{
	auto_undo struct undo a = UNDO_INIT;

	(void)arg;
	t.config.runtime.static_sandbox_resource_mgmt = true;
	open_sandbox();
	assert_ok(claim("a", 9000, 9000, &a), &t.e);
	assert_ok(change("a", 10000, 0), &t.e);
	check_size(1, 256);
	undo_run(&a);
	sandbox_free(t.s);
}

static struct undo undos[4];

static void one_of_many(void *arg)
{
	const size_t *i = arg;
	char id[8];

	(void)snprintf(id, sizeof(id), "c%zu", *i);
	assert_ok(claim(id, 128, 1000, &undos[*i]), &t.e);
}

static void together(void *arg)
{
	static const size_t number[] = { 0, 1, 2, 3 };
	struct fiber_group group = FIBER_GROUP_INIT;

	(void)arg;
	open_sandbox();
	for (size_t i = 0; i < ARRAY_LEN(number); i++)
		fiber_group_start(&group, "claim", one_of_many, (void *)(uintptr_t)&number[i]);
	fiber_group_wait(&group);
	check_size(1 + 4, 256 + 4 * 128);
	for (size_t i = 0; i < ARRAY_LEN(number); i++)
		undo_run(&undos[i]);
	assert_int_equal(claims(), 0);
	sandbox_free(t.s);
}

static void claim_at_the_end(void *arg)
{
	(void)arg;
	assert_err(claim("a", 100, 500, &undos[0]), &t.e, ERR_UNAVAILABLE, "the VM is gone");
}

/* The machine dies while it grows. */
static void dies(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;

	(void)arg;
	open_sandbox();
	fake_hv.silent = true; /* the agent's answer never comes */
	fiber_group_start(&group, "claim", claim_at_the_end, NULL);
	while (!strstr(fake_hv.methods, "OnlineCPUMem"))
		assert_int_equal(fiber_sleep_ms(1, &t.e), 0);
	fake_hv_die("killed");
	fiber_group_wait(&group);
	undo_run(&undos[0]);
	sandbox_free(t.s);
}

IN_FIBER(sums)
IN_FIBER(updates)
IN_FIBER(each_step_fails)
IN_FIBER(agent_fails)
IN_FIBER(steps)
IN_FIBER(kernel_cannot)
IN_FIBER(fixed)
IN_FIBER(together)
IN_FIBER(dies)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sums, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_updates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_step_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_agent_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_steps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kernel_cannot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fixed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dies, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* config.json to structs: presence, real files, and the place of everything that is refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/oci/spec.h"

static struct oci_spec *load(const char *name)
{
	struct oci_spec *s = NULL;
	struct err e = ERR_INIT;

	if (oci_spec_load(AT_FDCWD, name, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void test_runc_spec(void **state)
{
	auto_oci_spec struct oci_spec *s = load(TEST_DATA "/runc-spec.json");

	(void)state;
	assert_string_equal(s->hostname, "runc");
	assert_string_equal(s->process->args[0], "sh");
	assert_null(s->process->args[1]);
	assert_true(s->process->terminal);
	assert_true(s->process->no_new_privileges);
	assert_false(s->process->has_oom_score_adj);
	assert_false(s->process->user.has_umask);
	assert_string_equal(s->process->rlimits[0].type, "RLIMIT_NOFILE");
	assert_string_equal(s->root->path, "rootfs");
	assert_true(s->root->readonly);
	assert_int_equal(s->n_mounts, 7);
	assert_string_equal(s->mounts[6].destination, "/sys/fs/cgroup");
	assert_int_equal(s->hooks.n_prestart, 0);
	assert_null(s->linux.seccomp);
	assert_int_equal(s->linux.resources->n_devices, 1);
	assert_false(s->linux.resources->devices[0].has_major);
	assert_null(s->linux.resources->devices[0].type);
	assert_non_null(oci_find_namespace(s, "network"));
	assert_null(oci_find_namespace(s, "network")->path);
	assert_null(oci_find_namespace(s, "user"));
}

static void test_presence(void **state)
{
	auto_oci_spec struct oci_spec *s = load(TEST_DATA "/everything.json");
	const struct oci_resources *r = s->linux.resources;

	(void)state;
	assert_true(s->process->has_oom_score_adj);
	assert_int_equal(s->process->oom_score_adj, -998);
	assert_true(s->process->user.has_umask);
	assert_int_equal(s->process->user.umask, 022);
	assert_true(s->process->user.additional_gids[1] == UINT32_MAX);
	assert_true(s->process->rlimits[1].hard == UINT64_MAX);
	assert_true(s->process->has_console_size);

	assert_true(r->devices[0].has_minor);
	assert_false(r->devices[1].has_major);
	assert_true(r->devices[2].has_major);
	assert_false(r->devices[2].has_minor);
	assert_true(r->memory->has_swap);
	assert_int_equal(r->memory->swap, -1);
	assert_true(r->has_pids_limit);
	assert_int_equal(r->pids_limit, 100);
	assert_string_equal(json_map_get(&r->unified, "memory.high"), "1000000");

	assert_true(s->linux.devices[0].has_file_mode);
	assert_false(s->linux.devices[1].has_file_mode);
	assert_true(s->linux.seccomp->syscalls[0].has_errno_ret);
	assert_int_equal(s->linux.seccomp->syscalls[0].errno_ret, 0);
	assert_false(s->linux.seccomp->syscalls[1].has_errno_ret);

	/* Written as "" by some, and meant as absent. */
	assert_null(oci_find_namespace(s, "mount")->path);
	assert_string_equal(oci_find_namespace(s, "network")->path, "/run/netns/x");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.container-type"), "sandbox");
	assert_null(oci_annotation(s, "io.kubernetes.cri.sandbox-id"));
	assert_int_equal(s->hooks.n_poststop, 2);
	assert_true(s->hooks.prestart[0].has_timeout);
	assert_false(s->hooks.poststop[1].has_timeout);
}

/* A whole spec around one part: `{"ociVersion":…, <part>}` with what is required. */
static char *spec_with(const char *process, const char *rest)
{
	return xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},"
			 "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"%s%s}%s%s}",
			 *process ? "," : "", process, *rest ? "," : "", rest);
}

static void test_refused(void **state)
{
	static const struct {
		const char *process, *rest, *error;
		enum err_code code;
	} rows[] = {
		{ "\"user\":{\"uid\":1}", "", "process.user.gid: missing", ERR_INVALID },
		{ "\"user\":{\"uid\":1,\"gid\":-1}", "",
		  "process.user.gid: not a number from 0 to 4294967295", ERR_INVALID },
		{ "\"oomScoreAdj\":1001", "",
		  "process.oomScoreAdj: not a number from -1000 to 1000", ERR_INVALID },
		{ "\"oomScoreAdj\":-1001", "",
		  "process.oomScoreAdj: not a number from -1000 to 1000", ERR_INVALID },
		{ "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":1},"
		  "{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":1}]",
		  "", "process.rlimits[1].type: RLIMIT_NOFILE is given twice", ERR_INVALID },
		{ "", "\"mounts\":[{\"destination\":\"a\"}]",
		  "mounts[0].destination: not an absolute path", ERR_INVALID },
		{ "", "\"hooks\":{\"poststop\":[{\"path\":\"/a\"},{\"path\":\"a\"}]}",
		  "hooks.poststop[1].path: not an absolute path", ERR_INVALID },
		{ "", "\"hooks\":{\"createRuntime\":[{\"path\":\"/a\",\"timeout\":0}]}",
		  "hooks.createRuntime[0].timeout: less than a second", ERR_INVALID },
		{ "", "\"annotations\":{\"a\":1}", "annotations[\"a\"]: not a string",
		  ERR_INVALID },
		{ "", "\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}",
		  "linux.namespaces[0].type: 'net' is not one of pid, network, mount, ipc, uts, "
		  "user, cgroup, time",
		  ERR_INVALID },
		{ "", "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}",
		  "linux.namespaces[1].type: 'pid' is given twice", ERR_INVALID },
		{ "", "\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"x\"}]}",
		  "linux.namespaces[0].path: not an absolute path", ERR_INVALID },
		{ "", "\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"x\"}]}",
		  "linux.devices[0].type: 'x' is not one of c, b, u, p", ERR_INVALID },
		{ "", "\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1}]}",
		  "linux.devices[0]: a negative device number", ERR_INVALID },
		{ "", "\"linux\":{\"rootfsPropagation\":\"sharred\"}",
		  "linux.rootfsPropagation: 'sharred' is not one of private, rprivate, slave, "
		  "rslave, shared, rshared, unbindable, runbindable",
		  ERR_INVALID },
		{ "",
		  "\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}}",
		  "linux.resources.devices[0].access: has letters other than r, w and m",
		  ERR_INVALID },
		{ "", "\"linux\":{\"resources\":{\"cpu\":{\"idle\":2}}}",
		  "linux.resources.cpu.idle: neither 0 nor 1", ERR_INVALID },
		{ "", "\"linux\":{\"resources\":{\"pids\":{\"limit\":\"1\"}}}",
		  "linux.resources.pids.limit: not a number from -9223372036854775808 to "
		  "9223372036854775807",
		  ERR_INVALID },
		{ "", "\"linux\":{\"resources\":{\"rdma\":{\"mlx\":{}}}}",
		  "linux.resources.rdma: not supported", ERR_UNSUPPORTED },
		{ "",
		  "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
		  "\"listenerPath\":\"/run/l\"}}",
		  "linux.seccomp.listenerPath: not supported", ERR_UNSUPPORTED },
		{ "",
		  "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
		  "[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRAP\",\"args\":"
		  "[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]}]}}",
		  "linux.seccomp.syscalls[0].args[0].index: not a number from 0 to 5",
		  ERR_INVALID },
		{ "",
		  "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
		  "[{\"names\":[],\"action\":\"SCMP_ACT_TRAP\"}]}}",
		  "linux.seccomp.syscalls[0].names: empty", ERR_INVALID },
		{ "", "\"linux\":{\"timeOffsets\":{\"monotonic\":{\"secs\":1}}}",
		  "linux.timeOffsets: not supported", ERR_UNSUPPORTED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = spec_with(rows[i].process, rows[i].rest);
		struct oci_spec *s = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(oci_spec_parse(text, strlen(text), &s, &e), -1);
		assert_null(s);
		assert_string_equal(e.text, rows[i].error);
		assert_int_equal(e.code, rows[i].code);
	}
}

static void test_edges_that_pass(void **state)
{
	static const struct {
		const char *process, *rest;
	} rows[] = {
		{ "", "" },
		{ "\"oomScoreAdj\":1000", "" },
		{ "\"oomScoreAdj\":-1000", "" },
		{ "", "\"hooks\":{\"prestart\":[{\"path\":\"/a\",\"timeout\":1}]}" },
		{ "", "\"hooks\":null,\"linux\":null,\"mounts\":null" },
		{ "", "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},"
		      "\"timeOffsets\":{}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = spec_with(rows[i].process, rows[i].rest);
		auto_oci_spec struct oci_spec *s = NULL;
		struct err e = ERR_INIT;

		if (oci_spec_parse(text, strlen(text), &s, &e) < 0)
			fail_msg("%s: %s", text, e.text);
	}
}

static void test_required(void **state)
{
	static const struct {
		const char *text, *error;
		enum err_code code;
	} rows[] = {
		{ "{}", "ociVersion: missing", ERR_INVALID },
		{ "{\"ociVersion\":\"1.0\"}", "process: missing", ERR_INVALID },
		{ "{\"ociVersion\":\"1.0\",\"process\":{\"args\":[\"a\"]}}", "process.cwd: missing",
		  ERR_INVALID },
		{ "{\"ociVersion\":\"1.0\",\"process\":{\"args\":[],\"cwd\":\"/\"}}",
		  "process.args: empty", ERR_INVALID },
		{ "{\"ociVersion\":\"1.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"}}",
		  "root: missing", ERR_INVALID },
		{ "{\"ociVersion\":\"2.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"},"
		  "\"root\":{\"path\":\"r\"}}",
		  "ociVersion: '2.0', husk knows 1.x", ERR_UNSUPPORTED },
		{ "{\"ociVersion\":\"1.0\",\"process\":{\"args\":[\"a\"],\"cwd\":\"x\"},"
		  "\"root\":{\"path\":\"r\"}}",
		  "process.cwd: not an absolute path", ERR_INVALID },
		{ "nonsense", "line 1, byte 1: lexical error: invalid string in json text.",
		  ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_spec *s = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(oci_spec_parse(rows[i].text, strlen(rows[i].text), &s, &e), -1);
		assert_string_equal(e.text, rows[i].error);
		assert_int_equal(e.code, rows[i].code);
	}
}

static void test_parts(void **state)
{
	auto_oci_process struct oci_process *p = NULL;
	auto_oci_resources struct oci_resources *r = NULL;
	struct oci_resources *none = NULL;
	struct err e = ERR_INIT;
	const char *text = "{\"args\":[\"ls\"],\"cwd\":\"/\",\"user\":{\"uid\":1,\"gid\":2}}";

	(void)state;
	assert_int_equal(oci_process_parse(text, strlen(text), &p, &e), 0);
	assert_int_equal(p->user.gid, 2);

	/* Each first in its struct. */
	text = "{\"cpu\":{\"shares\":2},\"memory\":{\"limit\":1}}";
	assert_int_equal(oci_resources_parse(text, strlen(text), &none, &e), 0);
	assert_true(none->cpu->has_shares);
	assert_true(none->memory->has_limit);
	oci_resources_free(take_ptr(none));

	text = "{\"cpu\":{\"quota\":0},\"pids\":{}}";
	assert_int_equal(oci_resources_parse(text, strlen(text), &r, &e), 0);
	assert_true(r->cpu->has_quota);
	assert_false(r->cpu->has_shares);
	assert_false(r->has_pids_limit);

	text = "{\"memory\":{\"limit\":1.5}}";
	assert_int_equal(oci_resources_parse(text, strlen(text), &none, &e), -1);
	assert_string_equal(e.text, "resources.memory.limit: not a number from "
				    "-9223372036854775808 to 9223372036854775807");
	text = "{";
	assert_int_equal(oci_resources_parse(text, strlen(text), &none, &e), -1);
	assert_string_equal(e.text, "resources: line 1, byte 2: parse error: premature EOF");
}

static void test_load_names_the_file(void **state)
{
	struct oci_spec *s = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(oci_spec_load(AT_FDCWD, "/no/such/config.json", &s, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "/no/such/config.json"));
	assert_int_equal(oci_spec_load(AT_FDCWD, TEST_DATA "/everything.txt", &s, &e), -1);
	assert_memory_equal(e.text, TEST_DATA "/everything.txt: line 1", strlen(TEST_DATA) + 23);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runc_spec),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_edges_that_pass),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_load_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as config.json. A spec goes from JSON through the host's structs to the message, and must come
 * back the same, but for what the protocol does not carry; then single members, absent and present.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/oci/message.h"
#include "common/oci/message_text.h"
#include "common/oci/to_agent.h"

/* In everything.json, and not in what comes back: not of Linux, without effect, or without a field. */
static const char *const lost[] = {
	".process.user.umask",
	".process.commandLine",
	".process.scheduler",
	".process.ioPriority",
	".domainname",
	".mounts[1].uidMappings",
	".mounts[1].gidMappings",
	".linux.resources.memory.useHierarchy",
	".linux.resources.memory.checkBeforeUpdate",
	".linux.resources.cpu.burst",
	".linux.resources.cpu.idle",
	".linux.resources.rdma",
	".linux.resources.unified",
	".linux.namespaces[2].path",
	".linux.seccomp.defaultErrnoRet",
	".linux.seccomp.listenerPath",
	".linux.personality",
	".linux.intelRdt",
	".windows",
	".unheard",
};

/* The other way round: the specification has them always there. */
static const char *const gained[] = { ".linux.devices[1].major", ".linux.devices[1].minor" };

static bool is_one_of(const char *place, const char *const *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(places[i], place) == 0)
			return true;
	return false;
}

static size_t n_missing; /* places that were found on one side only */

static void compare(const struct json *a, const struct json *b, const char *place);

/* All members of `a` are in `b`, except for those. */
static void check_there(const struct json *a, const struct json *b, const char *place,
			const char *const *except, size_t n_except)
{
	for (size_t i = 0; i < json_len(a); i++) {
		auto_free char *here = xasprintf("%s.%s", place, json_key(a, i));

		if (json_get(b, json_key(a, i)))
			continue;
		if (!is_one_of(here, except, n_except))
			fail_msg("%s is on one side only", here);
		n_missing++;
	}
}

static void compare_members(const struct json *a, const struct json *b, const char *place)
{
	check_there(a, b, place, lost, ARRAY_LEN(lost));
	check_there(b, a, place, gained, ARRAY_LEN(gained));
	for (size_t i = 0; i < json_len(a); i++) {
		auto_free char *here = xasprintf("%s.%s", place, json_key(a, i));
		const struct json *other = json_get(b, json_key(a, i));

		if (other)
			compare(json_at(a, i), other, here);
	}
}

static void compare(const struct json *a, const struct json *b, const char *place)
{
	uint64_t m = 0, n = 0;
	int64_t i = 0, j = 0;
	bool p = false, q = false;

	if (json_type(a) != json_type(b))
		fail_msg("%s has another type", place);
	if (json_type(a) == JSON_TYPE_OBJECT) {
		compare_members(a, b, place);
	} else if (json_type(a) == JSON_TYPE_ARRAY) {
		if (json_len(a) != json_len(b))
			fail_msg("%s has another length", place);
		for (size_t k = 0; k < json_len(a); k++) {
			auto_free char *here = xasprintf("%s[%zu]", place, k);

			compare(json_at(a, k), json_at(b, k), here);
		}
	} else if (json_type(a) == JSON_TYPE_STRING) {
		if (strcmp(json_string(a), json_string(b)) != 0)
			fail_msg("%s: '%s' and '%s'", place, json_string(a), json_string(b));
	} else if (json_bool(a, &p) != json_bool(b, &q) || p != q ||
		   json_u64(a, &m) != json_u64(b, &n) || m != n ||
		   json_i64(a, &i) != json_i64(b, &j) || i != j) {
		fail_msg("%s has another value", place);
	}
}

static char *text_of(const char *json, size_t len)
{
	auto_oci_spec struct oci_spec *s = NULL;
	struct err e = ERR_INIT;
	Grpc__Spec *m;
	char *text;

	if (oci_spec_parse(json, len, &s, &e) < 0)
		fail_msg("%s", e.text);
	m = oci_spec_to_agent(s);
	text = oci_spec_message_text(m);
	grpc__spec__free_unpacked(m, NULL);
	return text;
}

/* Returns how much was lost and gained. */
static size_t check_round_trip(const char *name)
{
	auto_free char *given = NULL;
	auto_free char *text = NULL;
	auto_free char *again = NULL;
	auto_json struct json *a = NULL;
	auto_json struct json *b = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (file_read(AT_FDCWD, name, JSON_TEXT_MAX, &given, &len, &e) < 0)
		fail_msg("%s", e.text);
	text = text_of(given, len);
	if (json_parse(given, len, &a, &e) < 0 || json_parse(text, strlen(text), &b, &e) < 0)
		fail_msg("%s", e.text);
	n_missing = 0;
	compare(a, b, "");
	again = text_of(text, strlen(text));
	assert_string_equal(again, text);
	return n_missing;
}

static void test_everything(void **state)
{
	(void)state;
	assert_int_equal(check_round_trip(TEST_DATA "/everything.json"),
			 ARRAY_LEN(lost) + ARRAY_LEN(gained));
}

static void test_runc_spec(void **state)
{
	(void)state;
	assert_int_equal(check_round_trip(TEST_DATA "/runc-spec.json"), 0);
}

static Grpc__Spec *new_spec(void)
{
	Grpc__Spec *spec = oci_message_new(&grpc__spec__descriptor);

	spec->linux = oci_message_new(&grpc__linux__descriptor);
	return spec;
}

/* Frees it. */
static void check_text(Grpc__Spec *spec, const char *wanted)
{
	auto_free char *text = oci_spec_message_text(spec);

	assert_string_equal(text, wanted);
	grpc__spec__free_unpacked(spec, NULL);
}

static void test_absent_members(void **state)
{
	Grpc__Spec *spec = new_spec();

	(void)state;
	check_text(oci_message_new(&grpc__spec__descriptor), "{\"ociVersion\":\"\"}");
	spec->process = oci_message_new(&grpc__process__descriptor);
	spec->hooks = oci_message_new(&grpc__hooks__descriptor);
	check_text(spec, "{\"ociVersion\":\"\","
			 "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"\"},"
			 "\"hooks\":{},\"linux\":{}}");
}

/* What everything.json cannot show: 0 where it is a number, and where it is none. */
static void test_zeroes(void **state)
{
	Grpc__Spec *spec = new_spec();
	Grpc__Linux *l = spec->linux;

	(void)state;
	l->n_uidmappings = 1;
	l->uidmappings = oci_message_array(&grpc__linux_idmapping__descriptor, 1);
	l->resources = oci_message_new(&grpc__linux_resources__descriptor);
	l->resources->n_devices = 1;
	l->resources->devices = oci_message_array(&grpc__linux_device_cgroup__descriptor, 1);
	l->resources->devices[0]->minor = -1;
	l->resources->memory = oci_message_new(&grpc__linux_memory__descriptor);
	l->resources->pids = oci_message_new(&grpc__linux_pids__descriptor);
	l->n_devices = 1;
	l->devices = oci_message_array(&grpc__linux_device__descriptor, 1);
	check_text(spec, "{\"ociVersion\":\"\",\"linux\":{"
			 "\"uidMappings\":[{\"hostID\":0,\"containerID\":0,\"size\":0}],"
			 "\"resources\":{\"devices\":[{\"allow\":false,\"major\":0}],"
			 "\"memory\":{},\"pids\":{\"limit\":0}},"
			 "\"devices\":[{\"path\":\"\",\"type\":\"\",\"major\":0,\"minor\":0}]}}");
}

/* The host's structs have none, a host of another kind may send it. */
static void test_cache_allocation(void **state)
{
	Grpc__Spec *spec = new_spec();

	(void)state;
	spec->linux->intelrdt = oci_message_new(&grpc__linux_intel_rdt__descriptor);
	oci_message_set(&spec->linux->intelrdt->l3cacheschema, "L3:0=f");
	check_text(spec, "{\"ociVersion\":\"\",\"linux\":{"
			 "\"intelRdt\":{\"l3CacheSchema\":\"L3:0=f\"}}}");
}

/* Of a stranger: a string stays one string, and its bytes are UTF-8. */
static void test_hostile_strings(void **state)
{
	Grpc__Spec *spec = oci_message_new(&grpc__spec__descriptor);

	(void)state;
	spec->n_annotations = 1;
	spec->annotations = oci_message_array(&grpc__spec__annotations_entry__descriptor, 1);
	oci_message_set(&spec->annotations[0]->key, "a\"b\\");
	oci_message_set(&spec->annotations[0]->value, "\xff\n\x01");
	check_text(spec, "{\"ociVersion\":\"\","
			 "\"annotations\":{\"a\\\"b\\\\\":\"?\\n\\u0001\"}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),       cmocka_unit_test(test_runc_spec),
		cmocka_unit_test(test_absent_members),   cmocka_unit_test(test_zeroes),
		cmocka_unit_test(test_cache_allocation), cmocka_unit_test(test_hostile_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

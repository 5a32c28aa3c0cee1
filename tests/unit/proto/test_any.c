/* SPDX-License-Identifier: Apache-2.0 */
/* google.protobuf.Any: names with and without a prefix, foreign types, bytes that do not decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/cleanup.h"
#include "events.pb-c.h"
#include "proto/any.h"

#define NAME "containerd.events.TaskOOM"

static void test_pack(void **state)
{
	static char id[] = "c1";
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
	Google__Protobuf__Any *any;
	Containerd__Events__TaskOOM *back;

	(void)state;
	event.container_id = id;
	any = any_pack(&event.base);
	assert_string_equal(any->type_url, NAME);
	back = any_unpack(any, &containerd__events__task_oom__descriptor);
	assert_non_null(back);
	assert_string_equal(back->container_id, "c1");
	assert_null(any_unpack(any, &containerd__events__task_exit__descriptor));

	containerd__events__task_oom__free_unpacked(back, NULL);
	google__protobuf__any__free_unpacked(any, NULL);
}

static void test_names(void **state)
{
	static const struct {
		const char *url, *name;
		bool is;
	} rows[] = {
		{ NAME, NAME, true },
		{ "type.googleapis.com/" NAME, NAME, true },
		{ "/" NAME, NAME, true },
		{ "a/b/" NAME, NAME, true },
		{ NAME "2", NAME, false },
		{ "x" NAME, NAME, false },
		{ "type.googleapis.com/", NAME, false },
		{ "", NAME, false },
		/* The name itself has slashes. */
		{ "types.containerd.io/opencontainers/runtime-spec/1/Process",
		  "types.containerd.io/opencontainers/runtime-spec/1/Process", true },
		{ "types.containerd.io/opencontainers/runtime-spec/1/Process",
		  "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Google__Protobuf__Any *any = any_new(rows[i].url, "", 0);

		assert_int_equal(any_is(any, rows[i].name), rows[i].is);
		google__protobuf__any__free_unpacked(any, NULL);
	}
	assert_string_equal(any_type_name("type.googleapis.com/a.B"), "a.B");
	assert_string_equal(any_type_name("a.B"), "a.B");
}

static void test_bytes(void **state)
{
	/* Field 1, five bytes, of which two are there. */
	static const uint8_t cut[] = { 0x0a, 0x05, 'c', '1' };
	Google__Protobuf__Any *any = any_new(NAME, cut, sizeof(cut));
	Google__Protobuf__Any *empty = any_new(NAME, NULL, 0);
	Containerd__Events__TaskOOM *m;

	(void)state;
	assert_int_equal(any->value.len, sizeof(cut));
	assert_memory_equal(any->value.data, cut, sizeof(cut));
	assert_null(any_unpack(any, &containerd__events__task_oom__descriptor));
	assert_null(any_unpack(NULL, &containerd__events__task_oom__descriptor));

	m = any_unpack(empty, &containerd__events__task_oom__descriptor);
	assert_non_null(m);
	assert_string_equal(m->container_id, "");
	containerd__events__task_oom__free_unpacked(m, NULL);
	google__protobuf__any__free_unpacked(empty, NULL);
	google__protobuf__any__free_unpacked(any, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

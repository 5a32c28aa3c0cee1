/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI structs to messages: a spec with every member set, printed in protobuf's text format and
 * compared with a file (which protoc --encode takes), then with every field of every message.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/oci/to_agent.h"

static struct oci_spec *load(const char *name)
{
	struct oci_spec *s = NULL;
	struct err e = ERR_INIT;

	if (oci_spec_load(AT_FDCWD, name, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void add_message(struct buf *b, const ProtobufCMessage *m, size_t depth);

static void add_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *value,
		      size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		buf_addf(b, "  ");
	buf_addf(b, "%s", f->name);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		buf_addf(b, " {\n");
		add_message(b, *(const ProtobufCMessage *const *)value, depth + 1);
		for (size_t i = 0; i < depth; i++)
			buf_addf(b, "  ");
		buf_addf(b, "}\n");
	} else if (f->type == PROTOBUF_C_TYPE_STRING) {
		buf_addf(b, ": \"%s\"\n", *(const char *const *)value);
	} else if (f->type == PROTOBUF_C_TYPE_BOOL) {
		buf_addf(b, ": %s\n", *(const protobuf_c_boolean *)value ? "true" : "false");
	} else if (f->type == PROTOBUF_C_TYPE_UINT32) {
		buf_addf(b, ": %" PRIu32 "\n", *(const uint32_t *)value);
	} else if (f->type == PROTOBUF_C_TYPE_UINT64) {
		buf_addf(b, ": %" PRIu64 "\n", *(const uint64_t *)value);
	} else if (f->type == PROTOBUF_C_TYPE_INT64) {
		buf_addf(b, ": %" PRId64 "\n", *(const int64_t *)value);
	} else {
		fail_msg("%s has a type that oci.proto has not", f->name);
	}
}

/* Four bytes or eight, of the types of oci.proto. */
static bool is_narrow(ProtobufCType type)
{
	return type == PROTOBUF_C_TYPE_BOOL || type == PROTOBUF_C_TYPE_UINT32;
}

/* Is it worth printing: not the default? */
static bool is_set(const ProtobufCFieldDescriptor *f, const void *value)
{
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return *(const char *const *)value && **(const char *const *)value;
	return is_narrow(f->type) ? *(const uint32_t *)value != 0 : *(const uint64_t *)value != 0;
}

static void add_message(struct buf *b, const ProtobufCMessage *m, size_t depth)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const char *field = (const char *)m + f->offset;

		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)(const void *)((const char *)m +
								   f->quantifier_offset);
			const char *array = *(const char *const *)(const void *)field;

			for (size_t j = 0; j < n; j++)
				add_value(b, f, array + j * (is_narrow(f->type) ? 4u : 8u), depth);
		} else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
			if (*(const uint32_t *)(const void *)((const char *)m +
							      f->quantifier_offset) == f->id)
				add_value(b, f, field, depth);
		} else if (is_set(f, field)) {
			add_value(b, f, field, depth);
		}
	}
}

static void check_golden(const char *spec, const char *golden)
{
	auto_oci_spec struct oci_spec *s = load(spec);
	Grpc__Spec *m = oci_spec_to_agent(s);
	auto_buf struct buf printed = BUF_INIT;
	auto_free char *wanted = NULL;
	struct err e = ERR_INIT;

	if (file_read(AT_FDCWD, golden, 1u << 20, &wanted, NULL, &e) < 0)
		fail_msg("%s", e.text);
	add_message(&printed, &m->base, 0);
	assert_string_equal(printed.data, wanted);
	grpc__spec__free_unpacked(m, NULL);
}

static void test_everything(void **state)
{
	(void)state;
	check_golden(TEST_DATA "/everything.json", TEST_DATA "/everything.txt");
}

static void test_runc_spec(void **state)
{
	(void)state;
	check_golden(TEST_DATA "/runc-spec.json", TEST_DATA "/runc-spec.txt");
}

/* Fields for which the OCI specification has nothing on Linux, or which husk ignores. */
static const char *const never_set[] = { "Solaris", "Windows", "IntelRdt" };

static void check_all_set(const ProtobufCMessage *m, const char *place)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		auto_free char *here = xasprintf("%s.%s", place, f->name);
		const void *field = (const char *)m + f->offset;
		bool exempt = false;

		for (size_t j = 0; j < ARRAY_LEN(never_set); j++)
			exempt = exempt || strcmp(never_set[j], f->name) == 0;
		if (exempt || (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		/* The first of several is a full one in the JSON text. */
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			if (*(const size_t *)(const void *)((const char *)m +
							    f->quantifier_offset) == 0)
				fail_msg("%s is empty", here);
			if (f->type == PROTOBUF_C_TYPE_MESSAGE)
				check_all_set(**(ProtobufCMessage *const *const *)field, here);
		} else if (!is_set(f, field)) {
			fail_msg("%s is not set", here);
		} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
			check_all_set(*(const ProtobufCMessage *const *)field, here);
		}
	}
}

static void test_no_field_forgotten(void **state)
{
	auto_oci_spec struct oci_spec *s = load(TEST_DATA "/everything.json");
	Grpc__Spec *m = oci_spec_to_agent(s);

	(void)state;
	check_all_set(&m->base, "spec");
	grpc__spec__free_unpacked(m, NULL);
}

static void test_not_carried(void **state)
{
	static const char *const wanted[] = {
		"process.user.umask",
		"domainname",
		"mounts[1].uidMappings",
		"linux.resources.cpu.burst",
		"linux.resources.cpu.idle",
		"linux.resources.unified",
		"linux.seccomp.defaultErrnoRet",
		"linux.personality",
	};
	auto_oci_spec struct oci_spec *all = load(TEST_DATA "/everything.json");
	auto_oci_spec struct oci_spec *plain = load(TEST_DATA "/runc-spec.json");
	auto_strv char **places = oci_spec_not_carried(all);
	auto_strv char **none = oci_spec_not_carried(plain);
	auto_strv char **update = oci_resources_not_carried(all->linux.resources);

	(void)state;
	assert_null(none);
	assert_int_equal(strv_len((const char *const *)places), ARRAY_LEN(wanted));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		assert_string_equal(places[i], wanted[i]);
	assert_int_equal(strv_len((const char *const *)update), 3);
	assert_string_equal(update[2], "resources.unified");
}

static void test_bare_process(void **state)
{
	static const char text[] = "{\"args\": [\"true\"], \"cwd\": \"/\"}";
	auto_oci_process struct oci_process *p = NULL;
	struct err e = ERR_INIT;
	Grpc__Process *m;

	(void)state;
	assert_int_equal(oci_process_parse(text, strlen(text), &p, &e), 0);
	m = oci_process_to_agent(p);
	assert_null(m->capabilities);
	assert_null(m->consolesize);
	assert_non_null(m->user);
	assert_string_equal(m->selinuxlabel, "");
	assert_int_equal(m->n_env, 0);
	grpc__process__free_unpacked(m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),         cmocka_unit_test(test_runc_spec),
		cmocka_unit_test(test_no_field_forgotten), cmocka_unit_test(test_not_carried),
		cmocka_unit_test(test_bare_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

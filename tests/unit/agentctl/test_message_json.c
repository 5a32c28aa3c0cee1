/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON and back, base64. */
#include "tests/lib/test.h"

#include <string.h>

#include "agent.pb-c.h"
#include "tests/agentctl/base64.h"
#include "tests/agentctl/message_json.h"

static ProtobufCMessage *parse(const char *text, const ProtobufCMessageDescriptor *desc,
			       struct err *e)
{
	auto_json struct json *tree = NULL;
	ProtobufCMessage *m = NULL;

	assert_int_equal(json_parse(text, strlen(text), &tree, e), 0);
	if (message_from_json(tree, desc, &m, e) < 0)
		return NULL;
	return m;
}

/* The text, as a message, packed, unpacked, as text again. */
static void check_round(const ProtobufCMessageDescriptor *desc, const char *text)
{
	auto_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	ProtobufCMessage *m = parse(text, desc, &e);
	ProtobufCMessage *again;
	auto_free uint8_t *packed = NULL;
	size_t len;

	assert_string_equal(e.text, "");
	packed = xmalloc(protobuf_c_message_get_packed_size(m) + 1);
	len = protobuf_c_message_pack(m, packed);
	protobuf_c_message_free_unpacked(m, NULL);
	again = protobuf_c_message_unpack(desc, NULL, len, packed);
	assert_non_null(again);
	message_to_json(again, &out);
	protobuf_c_message_free_unpacked(again, NULL);
	assert_string_equal(out.data, text);
}

static void test_every_kind_of_field(void **state)
{
	(void)state;
	check_round(&grpc__signal_process_request__descriptor, "{}");
	check_round(&grpc__signal_process_request__descriptor,
		    "{\"container_id\":\"a\\\"b\\u0001\",\"signal\":4294967295}");
	check_round(&grpc__write_stream_request__descriptor, "{\"data\":\"AAECAw==\"}");
	check_round(&grpc__copy_file_request__descriptor,
		    "{\"file_size\":-9223372036854775808,\"uid\":-1}");
	check_round(&grpc__mem_hotplug_by_probe_request__descriptor,
		    "{\"memHotplugProbeAddr\":[0,18446744073709551615]}");
	check_round(&grpc__fsgroup__descriptor,
		    "{\"group_id\":5,\"group_change_policy\":\"OnRootMismatch\"}");
	check_round(&grpc__create_container_request__descriptor,
		    "{\"OCI\":{\"Process\":{\"Terminal\":true,\"Args\":[\"a\",\"\"]},"
		    "\"Annotations\":{\"k\":\"v\",\"empty\":\"\"}},\"sandbox_pidns\":true}");
	/* Presence: a member of a oneof that is 0 is there. */
	check_round(&grpc__mem_agent_memcg_config__descriptor,
		    "{\"disabled\":false,\"period_secs\":0}");
}

static void test_enum_by_number(void **state)
{
	struct err e = ERR_INIT;
	ProtobufCMessage *m = parse("{\"group_change_policy\":1}", &grpc__fsgroup__descriptor, &e);

	(void)state;
	assert_non_null(m);
	assert_int_equal(((Grpc__FSGroup *)m)->group_change_policy, 1);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void test_unknown_field(void **state)
{
	static const uint8_t want[] = { 0x0a, 1, 'a', 0xba, 0x3e, 2, 'h', 'i' };
	struct err e = ERR_INIT;
	ProtobufCMessage *m = parse("{\"container_id\":\"a\",\"999\":\"aGk=\"}",
				    &grpc__start_container_request__descriptor, &e);
	uint8_t packed[sizeof(want)];

	(void)state;
	assert_non_null(m);
	assert_int_equal(protobuf_c_message_get_packed_size(m), sizeof(want));
	(void)protobuf_c_message_pack(m, packed);
	assert_memory_equal(packed, want, sizeof(want));
	protobuf_c_message_free_unpacked(m, NULL);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "[]", "not an object" },
		{ "{\"nonsense\":1}", "grpc.CreateContainerRequest has no field 'nonsense'" },
		{ "{\"container_id\":1}", "container_id: not a string" },
		{ "{\"stdin_port\":-1}", "stdin_port: not a number of this width, 0 or more" },
		{ "{\"stdin_port\":4294967296}",
		  "stdin_port: not a number of this width, 0 or more" },
		{ "{\"sandbox_pidns\":1}", "sandbox_pidns: not true or false" },
		{ "{\"storages\":{}}", "storages: not an array" },
		{ "{\"storages\":[{},{\"options\":[\"a\",1]}]}",
		  "storages: [1]: options: [1]: not a string" },
		{ "{\"storages\":[{\"fs_group\":{\"group_change_policy\":\"Never\"}}]}",
		  "storages: [0]: fs_group: group_change_policy: not a value of" },
		{ "{\"OCI\":{\"Annotations\":{\"k\":1}}}", "OCI: Annotations: k: not a string" },
		{ "{\"OCI\":{\"Process\":{\"OOMScoreAdj\":1.5}}}",
		  "OCI: Process: OOMScoreAdj: not a number" },
		{ "{\"999\":\"a\"}", "999: not base64" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;

		assert_null(parse(cases[i].text, &grpc__create_container_request__descriptor, &e));
		assert_non_null(strstr(e.text, cases[i].error));
	}
}

static void test_base64(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const cases[][2] = { { "", "" },
						{ "f", "Zg==" },
						{ "fo", "Zm8=" },
						{ "foo", "Zm9v" },
						{ "foob", "Zm9vYg==" },
						{ "fooba", "Zm9vYmE=" },
						{ "foobar", "Zm9vYmFy" } };
	static const char *const wrong[] = { "Z",    "Zg",   "Zg=",      "Zg===",   "Z===",
					     "====", "Z=g=", "Zm9v!m9v", "Zg==Zg==" };
	uint8_t *data;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf out = BUF_INIT;

		base64_encode((const uint8_t *)cases[i][0], strlen(cases[i][0]), &out);
		assert_int_equal(out.len, strlen(cases[i][1]));
		assert_true(out.len == 0 || strcmp(out.data, cases[i][1]) == 0);
		assert_true(base64_decode(cases[i][1], &data, &len));
		assert_int_equal(len, strlen(cases[i][0]));
		assert_memory_equal(data, cases[i][0], len);
		free(data);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(base64_decode(wrong[i], &data, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_field),
		cmocka_unit_test(test_enum_by_number),
		cmocka_unit_test(test_unknown_field),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

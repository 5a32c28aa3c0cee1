/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of any type: limits on unpacking, strings found and mended at any depth. */
#include "tests/lib/test.h"

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/message.h"

/* 4 MiB of empty list elements would be some hundred MB of structs. */
static void test_memory_limit(void **state)
{
	const size_t len = 4u << 20;
	uint8_t *bytes = xmalloc(len);
	ProtobufCMessage *m;

	(void)state;
	for (size_t i = 0; i < len; i += 2) {
		bytes[i] = 5 << 3 | WIRE_BYTES; /* CreateContainerRequest.devices or the like */
		bytes[i + 1] = 0;
	}
	assert_null(message_unpack(&grpc__create_container_request__descriptor,
				   (struct slice){ bytes, len }));
	m = message_unpack(&grpc__create_container_request__descriptor,
			   (struct slice){ bytes, 2000 });
	assert_non_null(m);
	protobuf_c_message_free_unpacked(m, NULL);
	free(bytes);
}

static void test_nothing_is_a_message(void **state)
{
	ProtobufCMessage *m =
		message_unpack(&grpc__wait_process_request__descriptor, (struct slice){ NULL, 0 });

	(void)state;
	assert_non_null(m);
	assert_string_equal(message_string(m, "container_id"), "");
	assert_string_equal(message_string(m, "no_such_field"), "");
	protobuf_c_message_free_unpacked(m, NULL);
}

static void test_strings_at_depth(void **state)
{
	Grpc__CreateContainerRequest req;
	Grpc__Spec spec;
	Grpc__Process process;
	char good[] = "PATH=/bin", bad[] = "X=\xed\xa0\x80y";
	char *env[] = { good, bad };

	(void)state;
	grpc__create_container_request__init(&req);
	grpc__spec__init(&spec);
	grpc__process__init(&process);
	req.oci = &spec;
	spec.process = &process;
	process.env = env;
	process.n_env = 1;
	assert_null(message_bad_string(&req.base));
	process.n_env = 2;
	assert_non_null(message_bad_string(&req.base));
	message_clean_strings(&req.base);
	assert_null(message_bad_string(&req.base));
	assert_string_equal(bad, "X=???y");
	assert_string_equal(good, "PATH=/bin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_limit),
		cmocka_unit_test(test_nothing_is_a_message),
		cmocka_unit_test(test_strings_at_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What `start` reads and prints, and where the socket is (containerd-shim.md 1.4, 1.5, 1.7). */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "proto/any.h"
#include "runtime_options.pb-c.h"
#include "shim/address.h"
#include "shim/bootstrap.h"
#include "shim/options.h"

static Google__Protobuf__Any *options_any(void)
{
	char path[] = "/etc/husk/other.toml";
	Runtimeoptions__V1__Options options;

	runtimeoptions__v1__options__init(&options);
	options.config_path = path;
	return any_pack(&options.base);
}

static uint8_t *pack(const ProtobufCMessage *m, size_t *ret_len)
{
	uint8_t *bytes;

	*ret_len = protobuf_c_message_get_packed_size(m);
	bytes = xmalloc(*ret_len + 1);
	(void)protobuf_c_message_pack(m, bytes);
	return bytes;
}

static void test_nothing(void **state)
{
	struct bootstrap b;
	char *answer;

	(void)state;
	bootstrap_decode((const uint8_t *)"", 0, "a", "ns", &b);
	assert_null(b.params);
	assert_null(b.options);
	answer = bootstrap_answer(&b, "/run/s");
	assert_string_equal(answer, "unix:///run/s");
	free(answer);
	bootstrap_done(&b);
}

static void test_bare_any(void **state)
{
	Google__Protobuf__Any *any = options_any();
	struct bootstrap b;
	uint8_t *bytes;
	char *answer;
	size_t len;

	(void)state;
	bytes = pack(&any->base, &len);
	bootstrap_decode(bytes, len, "a", "ns", &b);
	assert_null(b.params); /* though it decodes as one */
	assert_string_equal(b.options->type_url, "runtimeoptions.v1.Options");
	answer = bootstrap_answer(&b, "/run/s");
	assert_string_equal(answer, "unix:///run/s");
	free(answer);
	bootstrap_done(&b);
	free(bytes);
	google__protobuf__any__free_unpacked(any, NULL);
}

static void test_params(void **state)
{
	char id[] = "a", ns[] = "ns", dir[] = "/run/other";
	Containerd__Runtime__Bootstrap__V1__BootstrapParams params;
	Containerd__Runtime__Bootstrap__V1__Extension extension, *extensions[] = { &extension };
	Google__Protobuf__Any *any = options_any();
	struct bootstrap b;
	uint8_t *bytes;
	char *answer;
	size_t len;

	(void)state;
	containerd__runtime__bootstrap__v1__extension__init(&extension);
	extension.value = any;
	containerd__runtime__bootstrap__v1__bootstrap_params__init(&params);
	params.instance_id = id;
	params.namespace_ = ns;
	params.socket_dir = dir;
	params.extensions = extensions;
	params.n_extensions = 1;
	bytes = pack(&params.base, &len);

	bootstrap_decode(bytes, len, "a", "ns", &b);
	assert_non_null(b.params);
	assert_string_equal(b.params->socket_dir, "/run/other");
	assert_string_equal(b.options->type_url, "runtimeoptions.v1.Options");
	answer = bootstrap_answer(&b, "/run/s");
	assert_string_equal(answer,
			    "{\"version\":3,\"address\":\"unix:///run/s\",\"protocol\":\"ttrpc\"}");
	free(answer);
	bootstrap_done(&b);

	/* Somebody else's: then it is not this message (trap 21). */
	bootstrap_decode(bytes, len, "a", "other", &b);
	assert_null(b.params);
	bootstrap_done(&b);
	bootstrap_decode(bytes, len, "b", "ns", &b);
	assert_null(b.params);
	bootstrap_done(&b);
	free(bytes);
	google__protobuf__any__free_unpacked(any, NULL);
}

static void test_rubbish(void **state)
{
	static const uint8_t rubbish[] = { 0xff, 0xff, 0xff };
	struct bootstrap b;

	(void)state;
	bootstrap_decode(rubbish, sizeof(rubbish), "a", "ns", &b);
	assert_null(b.params);
	assert_null(b.options);
	bootstrap_done(&b);
}

/* The sums are those of `printf %s <joined> | sha256sum`. */
static void test_address(void **state)
{
	static const struct {
		const char *address, *ns, *id, *joined_as;
	} same[] = {
		{ "/run/containerd/containerd.sock", "default", "t1",
		  "/run/containerd/containerd.sock" },
		{ "/run//containerd/./containerd.sock", "default", "t1",
		  "/run/containerd/containerd.sock" },
		{ "/run/x/../containerd/containerd.sock/", "default", "t1",
		  "/run/containerd/containerd.sock" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		char *a = address_socket_path("/run/containerd/s", same[i].address, same[i].ns,
					      same[i].id);
		char *b = address_socket_path("/run/containerd/s", same[i].joined_as, same[i].ns,
					      same[i].id);

		assert_string_equal(a, b);
		assert_string_equal(
			a, "/run/containerd/s/"
			   "df6a0c5cd2e9a1a16d9a3f2447365d9fc6021bc1d3d9a4caa2f5b2c4f773758f");
		free(a);
		free(b);
	}
}

static void test_shim_cgroup(void **state)
{
	Google__Protobuf__Any *any = options_any();
	char *path = options_shim_cgroup(any);

	(void)state;
	assert_string_equal(path, "");
	free(path);
	path = options_shim_cgroup(NULL);
	assert_string_equal(path, "");
	free(path);
	google__protobuf__any__free_unpacked(any, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_bare_any),
		cmocka_unit_test(test_params),  cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_address), cmocka_unit_test(test_shim_cgroup),
	};

	return cmocka_run_group_tests_name("shim bootstrap", tests, NULL, NULL);
}

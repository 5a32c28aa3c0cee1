/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options: which become flags, text or errors; lowerdir= and URIs beside them. */
#include "tests/lib/test.h"

#include <sys/mount.h>

#include "common/base/mem.h"
#include "shim/io/uri.h"
#include "shim/storage/mount_options.h"
#include "shim/storage/overlay.h"

#define WORDS_MAX 8
#define RRO_ROW   2

static void test_words(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		unsigned long flags, propagation;
		bool loop;
		const char *data;
	} rows[] = {
		{ { NULL }, 0, 0, false, "" },
		{ { "ro" }, MS_RDONLY, 0, false, "" },
		{ { "rro" }, MS_RDONLY, 0, false, "" },
		{ { "ro", "rw" }, 0, 0, false, "" },
		{ { "rw", "ro" }, MS_RDONLY, 0, false, "" },
		{ { "rbind", "rslave" }, MS_BIND | MS_REC, MS_SLAVE | MS_REC, false, "" },
		{ { "bind", "ro", "nosuid", "suid" }, MS_BIND | MS_RDONLY, 0, false, "" },
		{ { "loop", "rw" }, 0, 0, true, "" },
		{ { "", "defaults" }, 0, 0, false, "" },
		{ { "index=off", "workdir=/w", "upperdir=/u", "lowerdir=/b:/a" },
		  0,
		  0,
		  false,
		  "index=off,workdir=/w,upperdir=/u,lowerdir=/b:/a" },
		{ { "lowerdir=/a", "context=\"system_u:object_r:c_t:s0\"" },
		  0,
		  0,
		  false,
		  "lowerdir=/a" },
		{ { "rootcontext=x", "x-systemd.automount", "nouuid" }, 0, 0, false, "nouuid" },
		{ { "rorw" }, 0, 0, false, "rorw" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
		struct err e = ERR_INIT;

		assert_ok(mount_options_parse(rows[i].words, &o, &e), &e);
		assert_int_equal(o.flags, rows[i].flags);
		assert_int_equal(o.propagation, rows[i].propagation);
		assert_int_equal(o.loop, rows[i].loop);
		assert_int_equal(o.read_only_below, i == RRO_ROW);
		assert_string_equal(o.data, rows[i].data);
	}
}

static void test_absent(void **state)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(mount_options_parse(NULL, &o, &e), &e);
	assert_string_equal(o.data, "");
}

static void test_refused(void **state)
{
	static const char *const words[] = { "X-containerd.dmverity=/x",
					     "X-kata.multi-layer=true",
					     "uidmap=0:1:2",
					     "gidmap=0:1:2",
					     "idmap",
					     "remount" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *const options[] = { "ro", words[i], NULL };
		struct mount_options o = MOUNT_OPTIONS_INIT;
		struct err e;

		assert_err(mount_options_parse(options, &o, &e), &e, ERR_UNSUPPORTED, words[i]);
		assert_null(o.data);
	}
}

static void test_lowerdir(void **state)
{
	static const struct {
		const char *value;
		const char *parts[4];
	} rows[] = {
		{ "", { NULL } },
		{ "/a", { "/a" } },
		{ "/b:/a", { "/b", "/a" } },
		{ "/x\\:y:/a\\\\", { "/x:y", "/a\\" } },
		{ "/a:", { "/a" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_strv char **parts = overlay_split_lowerdir(rows[i].value);
		size_t n = strv_len((const char *const *)parts);

		assert_int_equal(n, strv_len(rows[i].parts));
		for (size_t k = 0; k < n; k++)
			assert_string_equal(parts[k], rows[i].parts[k]);
	}
}

static void test_uri(void **state)
{
	static const struct {
		const char *text;
		enum uri_scheme scheme;
		const char *path;
		const char *arguments[5];
	} rows[] = {
		{ "", URI_NONE, NULL, { NULL } },
		{ "/run/fifo/a%20b?c", URI_FIFO, "/run/fifo/a%20b?c", { NULL } },
		{ "fifo:///run/a%20b", URI_FIFO, "/run/a b", { NULL } },
		{ "file:///var/log/x", URI_FILE, "/var/log/x", { NULL } },
		{ "binary:///bin/log", URI_BINARY, "/bin/log", { NULL } },
		{ "binary:///bin/log?id=x&n=1", URI_BINARY, "/bin/log", { "id", "x", "n", "1" } },
		{ "binary:///l?a=1+2%2b&a=3&b", URI_BINARY, "/l", { "a", "1 2+", "b", "" } },
		{ "binary-v2:///l?=x&&k=v#frag", URI_BINARY_V2, "/l", { "k", "v#frag" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_uri struct uri u = URI_INIT;
		struct err e = ERR_INIT;
		size_t n;

		assert_ok(uri_parse(rows[i].text, &u, &e), &e);
		assert_int_equal(u.scheme, rows[i].scheme);
		if (rows[i].path)
			assert_string_equal(u.path, rows[i].path);
		n = strv_len((const char *const *)u.arguments);
		assert_int_equal(n, strv_len(rows[i].arguments));
		for (size_t k = 0; k < n; k++)
			assert_string_equal(u.arguments[k], rows[i].arguments[k]);
	}
}

static void test_bad_uri(void **state)
{
	static const char *const bad[] = { "file://host/path", "file:///a%", "file:///a%0",
					   "file:///a%00b", "binary:///l?a=%zz" };
	struct uri u = URI_INIT;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(uri_parse(bad[i], &u, &e), &e, ERR_INVALID, "no valid URI");
	assert_err(uri_parse("relative/path", &u, &e), &e, ERR_UNSUPPORTED, "relative/path");
	assert_err(uri_parse("ttrpc+vsock://3:1?streaming_id=x", &u, &e), &e, ERR_UNSUPPORTED,
		   "ttrpc+vsock");
	assert_null(u.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),   cmocka_unit_test(test_absent),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_lowerdir),
		cmocka_unit_test(test_uri),     cmocka_unit_test(test_bad_uri),
	};

	return cmocka_run_group_tests_name("mount options, stdio URIs", tests, NULL, NULL);
}

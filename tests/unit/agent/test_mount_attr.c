/* SPDX-License-Identifier: Apache-2.0 */
/* Words of an OCI mount's options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/container/mount_attr.h"
#include "common/base/mem.h"

static int parse(const char *text, struct mount_attrs *ret, struct err *e)
{
	auto_strv char **options = NULL;
	auto_free char *copy = xstrdup(text);
	char *save = NULL;

	for (char *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save))
		strv_add(&options, o);
	return mount_attrs_parse(options, strv_len((const char *const *)options), ret, e);
}

static void sorts_words(void **state)
{
	static const struct {
		const char *text;
		struct mount_attrs want;
		const char *fs; /* joined by commas */
	} cases[] = {
		{ "", { .set = 0 }, "" },
		{ "defaults,async,silent,x-systemd.y", { .set = 0 }, "" },
		{ "ro", { .set = MOUNT_ATTR_RDONLY }, "" },
		{ "ro,rw", { .clear = MOUNT_ATTR_RDONLY }, "" },
		{ "rw,ro", { .set = MOUNT_ATTR_RDONLY }, "" },
		{ "nosuid,nodev,noexec",
		  { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC },
		  "" },
		{ "rro,nosuid", { .set = MOUNT_ATTR_NOSUID, .below_set = MOUNT_ATTR_RDONLY }, "" },
		/* Times of access are one field: the kernel wants it cleared to be set. */
		{ "noatime", { .set = MOUNT_ATTR_NOATIME, .clear = MOUNT_ATTR__ATIME }, "" },
		{ "noatime,strictatime",
		  { .set = MOUNT_ATTR_STRICTATIME, .clear = MOUNT_ATTR__ATIME },
		  "" },
		{ "strictatime,relatime", { .clear = MOUNT_ATTR__ATIME }, "" },
		{ "bind", { .bind = true }, "" },
		{ "rbind,rslave",
		  { .bind = true,
		    .bind_below = true,
		    .propagation = MS_SLAVE,
		    .propagation_below = true },
		  "" },
		{ "shared,private", { .propagation = MS_PRIVATE }, "" },
		{ "tmpcopyup,mode=755,size=64k", { .copy_up = true }, "mode=755,size=64k" },
		{ "sync,gid=5,newinstance", { .set = 0 }, "sync,gid=5,newinstance" },
		/* No form with 'r' in front: it is the file system's. */
		{ "rsync", { .set = 0 }, "rsync" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_mount_attrs struct mount_attrs a = { .fs = NULL };
		auto_buf struct buf fs = BUF_INIT;
		const struct mount_attrs *w = &cases[i].want;
		struct err e = ERR_INIT;

		assert_int_equal(parse(cases[i].text, &a, &e), 0);
		assert_int_equal(a.set, w->set);
		assert_int_equal(a.clear, w->clear);
		assert_int_equal(a.below_set, w->below_set);
		assert_int_equal(a.below_clear, w->below_clear);
		assert_int_equal(a.propagation, w->propagation);
		assert_int_equal(a.propagation_below, w->propagation_below);
		assert_int_equal(a.bind, w->bind);
		assert_int_equal(a.bind_below, w->bind_below);
		assert_int_equal(a.copy_up, w->copy_up);
		buf_addf(&fs, "%s", "");
		for (size_t j = 0; a.fs && a.fs[j]; j++)
			buf_addf(&fs, "%s%s", j ? "," : "", a.fs[j]);
		assert_string_equal(fs.data, cases[i].fs);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		enum err_code want;
	} cases[] = {
		{ "remount", ERR_INVALID },
		{ "ro,loop", ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mount_attrs a;
		struct err e = ERR_INIT;

		assert_int_equal(parse(cases[i].text, &a, &e), -1);
		assert_int_equal(e.code, cases[i].want);
	}
}

static void refuses_an_empty_word(void **state)
{
	static const char *const empty[] = { "" };
	struct mount_attrs a;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mount_attrs_parse((char *const *)(uintptr_t)empty, 1, &a, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sorts_words),
					    cmocka_unit_test(refuses),
					    cmocka_unit_test(refuses_an_empty_word) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

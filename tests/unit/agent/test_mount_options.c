/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options: words to flags and data. */
#include "tests/lib/test.h"

#include <sys/mount.h>

#include "agent/mount/options.h"
#include "common/base/mem.h"

static void test_table(void **state)
{
	static const struct {
		const char *words[6];
		unsigned long flags, propagation;
		const char *data, *error;
	} cases[] = {
		{ { NULL }, 0, 0, NULL, NULL },
		{ { "defaults" }, 0, 0, NULL, NULL },
		{ { "ro", "nosuid", "nodev" }, MS_RDONLY | MS_NOSUID | MS_NODEV, 0, NULL, NULL },
		{ { "ro", "rw" }, 0, 0, NULL, NULL },
		{ { "rbind", "rprivate", "ro" },
		  MS_BIND | MS_REC | MS_RDONLY,
		  MS_PRIVATE | MS_REC,
		  NULL,
		  NULL },
		{ { "size=64k", "noexec", "mode=1777" }, MS_NOEXEC, 0, "size=64k,mode=1777", NULL },
		{ { "noatime", "relatime" }, MS_RELATIME, 0, NULL, NULL },
		{ { "lowerdir=/a:/b", "upperdir=/c" }, 0, 0, "lowerdir=/a:/b,upperdir=/c", NULL },
		{ { "loop" }, 0, 0, NULL, "'loop'" },
		{ { "ro", "" }, 0, 0, NULL, "''" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *const *words = (char *const *)(uintptr_t)cases[i].words;
		size_t n = strv_len(cases[i].words);
		struct mount_options o = MOUNT_OPTIONS_INIT;
		struct err e = ERR_INIT;

		if (cases[i].error) {
			assert_err(mount_options_parse(words, n, &o, &e), &e, ERR_INVALID,
				   cases[i].error);
			continue;
		}
		assert_ok(mount_options_parse(words, n, &o, &e), &e);
		assert_int_equal(o.flags, cases[i].flags);
		assert_int_equal(o.propagation, cases[i].propagation);
		if (cases[i].data)
			assert_string_equal(o.data, cases[i].data);
		else
			assert_null(o.data);
		mount_options_done(&o);
	}
}

static void test_length_is_limited(void **state)
{
	char exact[MOUNT_DATA_MAX + 1];
	char over[MOUNT_DATA_MAX + 2];
	char *word = exact;
	struct mount_options o = MOUNT_OPTIONS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	memset(exact, 'x', sizeof(exact));
	exact[MOUNT_DATA_MAX] = '\0';
	assert_ok(mount_options_parse(&word, 1, &o, &e), &e);
	mount_options_done(&o);
	memset(over, 'x', sizeof(over));
	over[MOUNT_DATA_MAX + 1] = '\0';
	word = over;
	assert_err(mount_options_parse(&word, 1, &o, &e), &e, ERR_INVALID, "longer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_length_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

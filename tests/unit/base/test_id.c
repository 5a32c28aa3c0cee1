/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers. */
#include "tests/lib/test.h"

#include "common/base/id.h"

static void test_ids(void **state)
{
	static const char *const good[] = { "a", "A-b_c.d", "0", "4f2a-1.2_3" };
	static const char *const bad[] = { "",    "-a",   "a-",       "a--b", "a/b", "..",
					   "a b", "a\nb", "\xc3\xa4", "a.-b", ".a",  "a." };
	struct err e = ERR_INIT;
	char longest[ID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(id_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(id_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[ID_MAX] = '\0';
	assert_true(id_valid(longest));
	longest[ID_MAX] = 'x';
	longest[ID_MAX + 1] = '\0';
	assert_false(id_valid(longest));
	assert_ok(id_check("container", "c1", &e), &e);
	assert_err(id_check("container", "../etc", &e), &e, ERR_INVALID, "container '../etc'");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ids) };

	return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}

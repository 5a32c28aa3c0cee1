/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and names of network interfaces as the host writes them. */
#include "tests/lib/test.h"

#include <sys/socket.h>

#include "common/net/address.h"

static void reads_prefixes(void **state)
{
	static const struct {
		const char *text;
		int family, len; /* len -1: refused */
	} rows[] = {
		{ "192.0.2.1", AF_INET, 32 },
		{ "192.0.2.0/24", AF_INET, 24 },
		{ "0.0.0.0/0", AF_INET, 0 },
		{ "::1", AF_INET6, 128 },
		{ "2001:db8::/32", AF_INET6, 32 },
		{ "::/0", AF_INET6, 0 },
		{ "", 0, -1 },
		{ "192.0.2.1/33", 0, -1 },
		{ "192.0.2.1/", 0, -1 },
		{ "192.0.2", 0, -1 },
		{ "192.0.2.1/-1", 0, -1 },
		{ "::/129", 0, -1 },
		{ "eth0", 0, -1 },
		{ "192.0.2.1 ", 0, -1 },
		{ "::1%lo", 0, -1 },
		{ "1.2.3.4/24/8", 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_prefix p = { 0 };
		struct err e = ERR_INIT;
		int r = ip_prefix_parse(rows[i].text, &p, &e);

		if ((r == 0) != (rows[i].len >= 0))
			fail_msg("'%s': %d", rows[i].text, r);
		if (r < 0) {
			assert_int_equal(e.code, ERR_INVALID);
			continue;
		}
		assert_int_equal(p.family, rows[i].family);
		assert_int_equal(p.len, rows[i].len);
	}
}

static void reads_hardware_addresses(void **state)
{
	static const char *const bad[] = { "",
					   "02:00:00:00:00",
					   "02:00:00:00:00:1",
					   "02:00:00:00:00:011",
					   "02-00-00-00-00-01",
					   "0g:00:00:00:00:01",
					   "02:00:00:00:00:01:02",
					   "+2:00:00:00:00:01" };
	static const uint8_t want[] = { 0x02, 0xab, 0, 0, 0, 0xff };
	uint8_t got[HARDWARE_ADDRESS_LEN] = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hardware_address_parse("02:aB:00:00:00:Ff", got, &e), 0);
	assert_memory_equal(got, want, sizeof(want));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (hardware_address_parse(bad[i], got, &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

static void checks_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a:1", "sixteen-letters-" };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(interface_name_check("fifteen-letters", &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (interface_name_check(bad[i], &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_prefixes),
		cmocka_unit_test(reads_hardware_addresses),
		cmocka_unit_test(checks_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

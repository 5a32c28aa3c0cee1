/* SPDX-License-Identifier: Apache-2.0 */
/* The user-mode network: published ports, and what the guest is told. */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "shim/net/user.h"

static void test_ports(void **state)
{
	static const struct {
		const char *text, *address;
		uint16_t host, guest;
		bool udp;
	} rows[] = {
		{ "8080:80", "0.0.0.0", 8080, 80, false },
		{ "127.0.0.1:65535:1", "127.0.0.1", 65535, 1, false },
		{ "53:53/udp", "0.0.0.0", 53, 53, true },
		{ "192.0.2.1:1:2/tcp", "192.0.2.1", 1, 2, false },
		{ "[::1]:8080:80", "::1", 8080, 80, false },
		{ "[2001:DB8:0::7]:53:5353/udp", "2001:db8::7", 53, 5353, true },
		{ "[::]:1:2", "::", 1, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hv_port p;
		struct err e = ERR_INIT;

		assert_ok(user_net_parse_port(rows[i].text, &p, &e), &e);
		assert_string_equal(p.address, rows[i].address);
		assert_int_equal(p.host, rows[i].host);
		assert_int_equal(p.guest, rows[i].guest);
		assert_int_equal(p.udp, rows[i].udp);
	}
}

static void test_what_is_refused(void **state)
{
	/* The last two: a comma would be an option of its own for QEMU. */
	static const char *const texts[] = { "",
					     "80",
					     "a:80",
					     "80:0",
					     "65536:80",
					     ":80",
					     "80:80/sctp",
					     "80:80/",
					     "::1:80:80",
					     "[::1]80:80",
					     "[::1]:80",
					     "[::1:80:80",
					     "[]:80:80",
					     "[fe80::1%eth0]:80:80",
					     "[::ffff:127.0.0.1]:80:80",
					     "[127.0.0.1]:80:80",
					     "x:80:80",
					     "1.2.3:80:80",
					     " 80:80",
					     "80:80,smb=/",
					     "127.0.0.1,restrict=on:80:80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct hv_port p;
		struct err e = ERR_INIT;

		assert_err(user_net_parse_port(texts[i], &p, &e), &e, ERR_INVALID,
			   "published_ports: \"");
	}
}

static void test_what_the_guest_is_told(void **state)
{
	char *ports[] = { (char *)(uintptr_t) "8080:80", NULL, NULL };
	struct config c = { .runtime.published_ports = ports };
	struct net_scan s;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(user_net_describe(&c, "", &s, &e), &e);
	assert_int_equal(s.n_links, 1);
	assert_true(s.link[0].user);
	assert_int_equal(s.link[0].n_ports, 1);
	assert_int_equal(s.link[0].interface->n_ipaddresses, 1);
	assert_string_equal(s.link[0].interface->ipaddresses[0]->address, "10.0.2.15");
	assert_int_equal(s.n_routes, 1);
	assert_string_equal(s.route[0]->gateway, "10.0.2.2");
	assert_string_equal(s.route[0]->device, s.link[0].name);
	net_scan_done(&s);
	ports[1] = (char *)(uintptr_t) "nonsense";
	assert_err(user_net_describe(&c, "", &s, &e), &e, ERR_INVALID, "nonsense");
}

static void test_what_it_is_told_of_ipv6(void **state)
{
	char *ports[] = { (char *)(uintptr_t) "[::1]:8080:80", NULL };
	struct config c = { .runtime.published_ports = ports };
	const Types__Interface *i;
	struct net_scan s;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(user_net_describe(&c, "uplink", &s, &e), &e);
	i = s.link[0].interface;
	assert_string_equal(s.link[0].ipv6_link, "uplink");
	assert_int_equal(s.link[0].n_ports, 1);
	assert_int_equal(i->n_ipaddresses, 2);
	assert_int_equal(i->ipaddresses[1]->family, TYPES__IPFAMILY__v6);
	assert_string_equal(i->ipaddresses[1]->address, "fd68:7573:6b::15");
	assert_string_equal(i->ipaddresses[1]->mask, "64");
	assert_int_equal(s.n_routes, 2);
	assert_int_equal(s.route[1]->family, TYPES__IPFAMILY__v6);
	assert_string_equal(s.route[1]->gateway, "fd68:7573:6b::2");
	net_scan_done(&s);
	assert_err(user_net_describe(&c, "", &s, &e), &e, ERR_INVALID,
		   "published_ports: \"[::1]:8080:80\": the host has no IPv6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_the_guest_is_told),
		cmocka_unit_test(test_what_it_is_told_of_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

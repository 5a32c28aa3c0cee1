/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/net against the kernel, in a network namespace of its own with a pair of links. Skips itself
 * without root or without ip(8), which makes the links and is asked what became of them.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/net/net.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "tests/component/assert.h"

#define PLENTY 4096

#define assert_has(text, part)                                          \
	do {                                                            \
		const char *text_ = (text);                             \
		if (!strstr(text_, (part)))                             \
			fail_msg("no \"%s\" in \"%s\"", (part), text_); \
	} while (0)

/* What a command of the shell prints. */
static char *output_of(const char *command)
{
	static char text[PLENTY];
	ssize_t n;
	int status;
	int out[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(out[1]);
	n = read_full(out[0], text, sizeof(text) - 1);
	(void)close(out[0]);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	(void)output_of(
		"ip link set lo up && ip link add first address 02:00:00:00:00:01 type veth "
		"peer name second address 02:00:00:00:00:02 && ip link set second up && "
		"ip link set first up");
	return 0;
}

static Types__IPAddress v4, v6;

static Types__Interface wanted(const char *name, const char *hardware)
{
	static Types__IPAddress *addresses[] = { &v4, &v6 };
	Types__Interface i;

	types__interface__init(&i);
	types__ipaddress__init(&v4);
	types__ipaddress__init(&v6);
	v4.address = (char *)(uintptr_t) "192.0.2.1";
	v4.mask = (char *)(uintptr_t) "24";
	v6.address = (char *)(uintptr_t) "2001:db8::1";
	v6.mask = (char *)(uintptr_t) "64";
	v6.family = TYPES__IPFAMILY__v6;
	i.name = (char *)(uintptr_t)name;
	i.hwaddr = (char *)(uintptr_t)hardware;
	i.mtu = 1400;
	i.ipaddresses = addresses;
	i.n_ipaddresses = 2;
	return i;
}

static void updates_an_interface(void **state)
{
	Types__Interface eth0 = wanted("eth0", "02:00:00:00:00:01");
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(net_update_interface(&eth0, NULL, &e), 0);
	assert_has(output_of("ip addr show eth0"), "mtu 1400");
	assert_has(output_of("ip addr show eth0"), "inet 192.0.2.1/24");
	assert_has(output_of("ip addr show eth0"), "inet6 2001:db8::1/64");
	assert_has(output_of("ip addr show eth0"), ",UP");
	assert_has(output_of("ip addr show eth0"), "02:00:00:00:00:01");
	/* Nothing that is as wanted may be taken down: a route goes with it. */
	(void)output_of("ip route add 203.0.113.0/24 via 192.0.2.9");
	assert_int_equal(net_update_interface(&eth0, NULL, &e), 0);
	assert_has(output_of("ip route"), "203.0.113.0/24");
}

static void exchanges_names(void **state)
{
	Types__Interface second = wanted("second", "02:00:00:00:00:01");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_update_interface(&second, NULL, &e), 0);
	assert_has(output_of("ip link show second"), "02:00:00:00:00:01");
	assert_has(output_of("ip link show first"), "02:00:00:00:00:02");
}

static void sets_a_hardware_address(void **state)
{
	Types__Interface first = wanted("first", "02:00:00:00:00:77");
	struct err e = ERR_INIT;

	(void)state;
	first.raw_flags = 0x80;
	assert_int_equal(net_update_interface(&first, NULL, &e), 0);
	assert_has(output_of("ip link show first"), "02:00:00:00:00:77");
	assert_has(output_of("ip link show first"), "NOARP");
}

/* The link that the host names by its place, whoever has its address or its name. */
static void takes_the_device(void **state)
{
	Types__Interface i = wanted("first", "02:00:00:00:00:01");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_update_interface(&i, "second", &e), 0);
	assert_has(output_of("ip -4 addr show first"), "192.0.2.1/24");
	assert_has(output_of("ip link show first"), "02:00:00:00:00:01");
	/* Who had the name has the other one, and its own address still. */
	assert_has(output_of("ip link show second"), "02:00:00:00:00:01");
	assert_string_equal(output_of("ip -4 addr show second"), "");
	assert_int_equal(net_update_interface(&i, "none", &e), -1);
	assert_has(e.text, "Link not found");
}

static void misses_a_link(void **state)
{
	Types__Interface none = wanted("none", "02:00:00:00:00:99");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(net_update_interface(&none, NULL, &e), -1);
	assert_has(e.text, "Link not found");
}

static Types__Route route_to(const char *dest, const char *gateway)
{
	Types__Route r;

	types__route__init(&r);
	r.dest = (char *)(uintptr_t)dest;
	r.gateway = (char *)(uintptr_t)gateway;
	r.device = (char *)(uintptr_t) "first";
	return r;
}

static void updates_routes(void **state)
{
	Types__Interface first = wanted("first", "02:00:00:00:00:01");
	Types__Route gateway = route_to("", "198.51.100.1");
	Types__Route direct = route_to("198.51.100.0/24", "");
	Types__Route wide = route_to("2001:db8:1::/48", "");
	Types__Route bad = route_to("nonsense", "");
	Types__Route *list[] = { &gateway, &direct, &wide };
	Types__Route *refused[] = { &direct, &bad };
	Types__Route **there = NULL;
	struct err e = ERR_INIT;
	size_t n;
	bool seen = false;

	(void)state;
	direct.scope = 253;
	direct.source = (char *)(uintptr_t) "192.0.2.1";
	direct.mtu = 1300;
	wide.family = TYPES__IPFAMILY__v6;
	assert_int_equal(net_update_interface(&first, NULL, &e), 0);
	assert_int_equal(net_update_routes(refused, 2, &e), -1);
	assert_false(strstr(output_of("ip route"), "198.51.100.0/24"));
	e = ERR_INIT;
	for (int i = 0; i < 2; i++)
		if (net_update_routes(list, 3, &e) < 0)
			fail_msg("%s", e.text);
	assert_has(output_of("ip route"), "default via 198.51.100.1 dev first");
	assert_has(output_of("ip route"),
		   "198.51.100.0/24 dev first scope link src 192.0.2.1 mtu 1300");
	assert_has(output_of("ip -6 route"), "2001:db8:1::/48 dev first");
	assert_int_equal(net_list_routes(&there, &n, &e), 0);
	for (size_t i = 0; i < n; i++) {
		seen |= strcmp(there[i]->dest, "0.0.0.0") == 0 &&
			strcmp(there[i]->gateway, "198.51.100.1") == 0 &&
			strcmp(there[i]->device, "first") == 0;
		types__route__free_unpacked(there[i], NULL);
	}
	free(there);
	assert_true(seen);
}

static void lists_interfaces(void **state)
{
	Types__Interface first = wanted("first", "02:00:00:00:00:aa");
	Types__Interface **there = NULL;
	struct err e = ERR_INIT;
	bool seen = false;
	size_t n;

	(void)state;
	assert_int_equal(net_update_interface(&first, NULL, &e), 0);
	assert_int_equal(net_list_interfaces(&there, &n, &e), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		const Types__Interface *t = there[i];

		seen |= strcmp(t->name, "first") == 0 &&
			strcmp(t->hwaddr, "02:00:00:00:00:AA") == 0 && t->mtu == 1400 &&
			t->n_ipaddresses >= 1 &&
			strcmp(t->ipaddresses[0]->address, "192.0.2.1") == 0 &&
			strcmp(t->ipaddresses[0]->mask, "24") == 0;
		types__interface__free_unpacked(there[i], NULL);
	}
	free(there);
	assert_true(seen);
}

static void adds_neighbors(void **state)
{
	Types__IPAddress ip;
	Types__ARPNeighbor n;
	Types__ARPNeighbor *list[] = { &n };
	struct err e = ERR_INIT;

	(void)state;
	types__ipaddress__init(&ip);
	types__arpneighbor__init(&n);
	ip.address = (char *)(uintptr_t) "192.0.2.7";
	n.toipaddress = &ip;
	n.device = (char *)(uintptr_t) "first";
	n.lladdr = (char *)(uintptr_t) "02:00:00:00:00:07";
	for (int i = 0; i < 2; i++)
		assert_int_equal(net_add_neighbors(list, 1, &e), 0);
	assert_has(output_of("ip neigh"), "192.0.2.7 dev first lladdr 02:00:00:00:00:07 PERMANENT");
	ip.family = TYPES__IPFAMILY__v6;
	ip.address = (char *)(uintptr_t) "2001:db8::7";
	assert_int_equal(net_add_neighbors(list, 1, &e), 0);
	assert_has(output_of("ip -6 neigh"),
		   "2001:db8::7 dev first lladdr 02:00:00:00:00:07 PERMANENT");
	n.device = (char *)(uintptr_t) "none";
	assert_int_equal(net_add_neighbors(list, 1, &e), -1);
	assert_has(e.text, "Link not found");
}

/* As a host does it that has IPv6, of a guest that does not. */
static void leaves_ipv6_out_where_it_is_switched_off(void **state)
{
	Types__Interface first = wanted("first", "02:00:00:00:00:01");
	Types__Route gateway = route_to("", "2001:db8::2");
	Types__Route *routes[] = { &gateway };
	Types__IPAddress ip;
	Types__ARPNeighbor n;
	Types__ARPNeighbor *neighbors[] = { &n };
	struct err e = ERR_INIT;

	(void)state;
	(void)output_of("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
	gateway.family = TYPES__IPFAMILY__v6;
	types__ipaddress__init(&ip);
	types__arpneighbor__init(&n);
	ip.family = TYPES__IPFAMILY__v6;
	ip.address = (char *)(uintptr_t) "2001:db8::7";
	n.toipaddress = &ip;
	n.device = (char *)(uintptr_t) "first";
	n.lladdr = (char *)(uintptr_t) "02:00:00:00:00:07";
	assert_int_equal(net_update_interface(&first, NULL, &e), 0);
	if (net_update_routes(routes, 1, &e) < 0 || net_add_neighbors(neighbors, 1, &e) < 0)
		fail_msg("%s", e.text);
	assert_has(output_of("ip addr show first"), "inet 192.0.2.1/24");
	assert_string_equal(output_of("ip -6 addr; ip -6 route; ip -6 neigh"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(updates_an_interface, set_up),
		cmocka_unit_test_setup(exchanges_names, set_up),
		cmocka_unit_test_setup(sets_a_hardware_address, set_up),
		cmocka_unit_test_setup(takes_the_device, set_up),
		cmocka_unit_test_setup(misses_a_link, set_up),
		cmocka_unit_test_setup(updates_routes, set_up),
		cmocka_unit_test_setup(lists_interfaces, set_up),
		cmocka_unit_test_setup(adds_neighbors, set_up),
		cmocka_unit_test_setup(leaves_ipv6_out_where_it_is_switched_off, set_up),
	};

	if (geteuid() != 0 || (access("/sbin/ip", X_OK) < 0 && access("/usr/sbin/ip", X_OK) < 0 &&
			       access("/bin/ip", X_OK) < 0)) {
		(void)puts("skipped: needs root and ip(8)");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

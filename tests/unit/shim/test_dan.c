/* SPDX-License-Identifier: Apache-2.0 */
/* Files of directly attached networks: what becomes of them, and what is refused. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "shim/net/dan.h"

static char dir[] = "/tmp/husk-test-dan-XXXXXX";

static int load(const char *text, struct dan *ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/pod.json", dir);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	return dan_load(dir, "pod", ret, e);
}

static void test_a_whole_file(void **state)
{
	struct dan d = { .netns = NULL };
	struct err e = ERR_INIT;
	const Types__Interface *i;

	(void)state;
	assert_int_equal(
		load("{\"netns\":\"/run/netns/x\",\"devices\":[{\"name\":\"eth0\","
		     "\"guest_mac\":\"02:00:00:00:00:0a\",\"device\":{\"type\":\"host-tap\","
		     "\"tap_name\":\"tap7\",\"queue_num\":2,\"queue_size\":256},\"network_info\":{"
		     "\"interface\":{\"ip_addresses\":[\"10.0.0.2/24\",\"fd00::2/64\"],\"mtu\":1400,"
		     "\"ntype\":\"tuntap\",\"flags\":0},\"routes\":[{\"dest\":\"0.0.0.0/0\","
		     "\"gateway\":\"10.0.0.1\"},{\"dest\":\"fd01::/16\",\"gateway\":\"fd00::1\"}],"
		     "\"neighbors\":[{\"ip_address\":\"10.0.0.1\",\"hardware_addr\":"
		     "\"02:00:00:00:00:01\",\"state\":0,\"flags\":0}]}}]}",
		     &d, &e),
		1);
	assert_string_equal(d.netns, "/run/netns/x");
	assert_int_equal(d.scan.n_links, 1);
	assert_string_equal(d.scan.link[0].name, "eth0");
	assert_string_equal(d.scan.link[0].tap, "tap7");
	assert_int_equal(d.scan.link[0].queues, 2);
	assert_memory_equal(d.scan.link[0].hardware_address, "\x02\x00\x00\x00\x00\x0a", 6);
	i = d.scan.link[0].interface;
	assert_int_equal(i->mtu, 1400);
	assert_int_equal(i->n_ipaddresses, 2);
	assert_string_equal(i->ipaddresses[1]->address, "fd00::2");
	assert_string_equal(i->ipaddresses[1]->mask, "64");
	assert_int_equal(i->ipaddresses[1]->family, TYPES__IPFAMILY__v6);
	assert_int_equal(d.scan.n_routes, 2);
	assert_string_equal(d.scan.route[0]->dest, ""); /* the default */
	assert_string_equal(d.scan.route[0]->gateway, "10.0.0.1");
	assert_string_equal(d.scan.route[1]->dest, "fd01::/16");
	assert_int_equal(d.scan.route[1]->family, TYPES__IPFAMILY__v6);
	assert_int_equal(d.scan.n_neighbors, 1);
	assert_int_equal(d.scan.neighbor[0]->state, 0x80); /* NUD_PERMANENT */
	dan_done(&d);
}

/* A device that another process is the other end of. */
static void test_vhost_user(void **state)
{
	struct dan d = { .netns = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		load("{\"devices\":[{\"name\":\"net0\",\"guest_mac\":\"02:00:00:00:00:0a\","
		     "\"device\":{\"type\":\"vhost-user\",\"path\":\"/run/switch/7\","
		     "\"queue_num\":2,\"queue_size\":256},\"network_info\":{\"interface\":"
		     "{\"ip_addresses\":[\"10.0.0.2/24\"]}}}]}",
		     &d, &e),
		1);
	assert_string_equal(d.scan.link[0].vhost_user, "/run/switch/7");
	assert_string_equal(d.scan.link[0].kind, "vhost-user");
	assert_string_equal(d.scan.link[0].tap, "");
	assert_int_equal(d.scan.link[0].queues, 2);
	dan_done(&d);
}

#define DEVICE(name, mac, attachment, info)                                                      \
	"{\"devices\":[{\"name\":\"" name "\",\"guest_mac\":\"" mac "\",\"device\":{" attachment \
	"},\"network_info\":{" info "}}]}"
#define TAP  "\"type\":\"host-tap\",\"tap_name\":\"t\""
#define MAC  "02:00:00:00:00:01"
#define NONE "\"interface\":{}"

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ "{", ERR_INVALID, "pod.json" },
		{ "{}", ERR_INVALID, "devices: missing" },
		{ DEVICE("a/b", MAC, TAP, NONE), ERR_INVALID, "'a/b' is no name" },
		{ DEVICE("eth0", "02:00", TAP, NONE), ERR_INVALID, "no hardware address" },
		{ DEVICE("eth0", MAC, "\"type\":\"vfio\"", NONE), ERR_UNSUPPORTED, "host-tap" },
		{ DEVICE("eth0", MAC, "\"type\":\"host-tap\"", NONE), ERR_INVALID, "no tap_name" },
		{ DEVICE("eth0", MAC, "\"type\":\"vhost-user\"", NONE), ERR_INVALID,
		  "path is not absolute" },
		{ DEVICE("eth0", MAC, "\"type\":\"vhost-user\",\"path\":\"x\"", NONE), ERR_INVALID,
		  "path is not absolute" },
		{ DEVICE("eth0", MAC, TAP ",\"queue_num\":17", NONE), ERR_INVALID, "queue_num 17" },
		{ DEVICE("eth0", MAC, TAP, "\"interface\":{\"mtu\":67}"), ERR_INVALID,
		  "MTU of 67" },
		{ DEVICE("eth0", MAC, TAP, "\"interface\":{\"ip_addresses\":[\"10.0.0.2/33\"]}"),
		  ERR_INVALID, "prefix length" },
		{ DEVICE("eth0", MAC, TAP, NONE ",\"routes\":[{}]"), ERR_INVALID, "without dest" },
		{ DEVICE("eth0", MAC, TAP, NONE ",\"neighbors\":[{}]"), ERR_INVALID, "ip_address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dan d = { .netns = NULL };
		struct err e = ERR_INIT;

		assert_err(load(rows[i].text, &d, &e), &e, rows[i].code, rows[i].part);
	}
}

static void test_no_file(void **state)
{
	struct dan d = { .netns = NULL };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(dan_load(dir, "other", &d, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_file),
		cmocka_unit_test(test_vhost_user),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_no_file),
	};
	auto_free char *path = NULL;
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	path = xasprintf("%s/pod.json", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return failed;
}

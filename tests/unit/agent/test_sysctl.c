/* SPDX-License-Identifier: Apache-2.0 */
/* Which sysctls a container may set; kinds of namespaces and their id maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container/namespaces.h"
#include "agent/container/sysctl.h"

static void allows_what_is_in_a_namespace(void **state)
{
	const unsigned ipc = CLONE_NEWIPC, uts = CLONE_NEWUTS;
	const struct {
		const char *key;
		unsigned has;
		int want;
	} cases[] = {
		{ "net.ipv4.ip_forward", 0, 0 },
		{ "net/ipv4/conf/eth0.1/forwarding", 0, 0 },
		{ "network.x", 0, -1 },
		{ "kernel.shmmax", ipc, 0 },
		{ "kernel.shmmax", uts, -1 },
		{ "kernel.shmmaxx", ipc, -1 },
		{ "fs.mqueue.msg_max", ipc, 0 },
		{ "fs.mqueue.msg_max", 0, -1 },
		{ "fs.mqueueX", ipc, -1 },
		{ "kernel.domainname", uts, 0 },
		{ "kernel.domainname", ipc, -1 },
		{ "kernel.hostname", uts, -1 },
		{ "kernel/hostname", uts, -1 },
		{ "kernel.core_pattern", ipc | uts, -1 },
		{ "kernel/core_pattern", ipc | uts, -1 },
		{ "vm.swappiness", ipc | uts, -1 },
		{ "", ipc | uts, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(sysctl_check(cases[i].key, cases[i].has, &e), cases[i].want);
		if (cases[i].want < 0)
			assert_int_equal(e.code, ERR_DENIED);
	}
}

static void makes_a_path(void **state)
{
	static const struct {
		const char *key, *want;
	} cases[] = {
		{ "net.ipv4.ip_forward", "sys/net/ipv4/ip_forward" },
		{ "net/ipv4/conf/eth0.1/forwarding", "sys/net/ipv4/conf/eth0.1/forwarding" },
		{ "net.ipv4.conf.eth0/1.forwarding", "sys/net/ipv4/conf/eth0.1/forwarding" },
		{ "net/../kernel/core_pattern", NULL },
		{ "net.//.kernel.core_pattern", NULL }, /* ".." written the other way */
		{ "net..x", NULL },
		{ "net.", NULL },
		{ ".net", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		char *path = sysctl_path(cases[i].key, &e);

		if (cases[i].want) {
			assert_non_null(path);
			assert_string_equal(path, cases[i].want);
		} else {
			assert_null(path);
			assert_int_equal(e.code, ERR_INVALID);
		}
		free(path);
	}
}

static void knows_both_spellings(void **state)
{
	static const struct {
		const char *type;
		unsigned want; /* 0: refused */
	} cases[] = {
		{ "mount", CLONE_NEWNS },
		{ "mnt", CLONE_NEWNS },
		{ "network", CLONE_NEWNET },
		{ "net", CLONE_NEWNET },
		{ "pid", CLONE_NEWPID },
		{ "ipc", CLONE_NEWIPC },
		{ "uts", CLONE_NEWUTS },
		{ "user", CLONE_NEWUSER },
		{ "cgroup", CLONE_NEWCGROUP },
		{ "time", 0 },
		{ "", 0 },
		{ "Pid", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		unsigned flag = 0;

		assert_int_equal(namespace_flag(cases[i].type, &flag, &e), cases[i].want ? 0 : -1);
		assert_int_equal(flag, cases[i].want);
	}
}

static void writes_id_maps(void **state)
{
	Grpc__LinuxIDMapping map[2], *maps[341];
	struct err e = ERR_INIT;
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		grpc__linux_idmapping__init(&map[i]);
		map[i].containerid = (uint32_t)i * 1000;
		map[i].hostid = 4294967295u - (uint32_t)i;
		map[i].size = 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		maps[i] = &map[i % 2];
	text = namespace_id_map(maps, 2, &e);
	assert_non_null(text);
	assert_string_equal(text, "0 4294967295 1\n1000 4294967294 1\n");
	free(text);
	assert_null(namespace_id_map(maps, 0, &e));
	text = namespace_id_map(maps, 340, &e);
	assert_non_null(text);
	free(text);
	assert_null(namespace_id_map(maps, 341, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allows_what_is_in_a_namespace),
		cmocka_unit_test(makes_a_path),
		cmocka_unit_test(knows_both_spellings),
		cmocka_unit_test(writes_id_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

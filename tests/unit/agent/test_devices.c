/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules, and that the BPF program made of them answers the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "agent/cgroup/devices.h"

#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE
#define M BPF_DEVCG_ACC_MKNOD

#define RULES_MAX 8

struct rule {
	int allow;
	const char *type;
	int64_t major, minor;
	const char *access;
};

static Grpc__LinuxDeviceCgroup storage[RULES_MAX], *list[RULES_MAX];

static size_t make(const struct rule *from)
{
	size_t n = 0;

	for (; n < RULES_MAX && from[n].type; n++) {
		grpc__linux_device_cgroup__init(&storage[n]);
		storage[n].allow = from[n].allow;
		storage[n].type = (char *)(uintptr_t)from[n].type;
		storage[n].major = from[n].major;
		storage[n].minor = from[n].minor;
		storage[n].access = (char *)(uintptr_t)from[n].access;
		list[n] = &storage[n];
	}
	return n;
}

/* The instructions that device_filter_compile() uses, and no others. */
static uint64_t interpret(const struct bpf_insn *insn, size_t n, struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insn[pc];
		uint64_t *dst = &r[i->dst_reg];

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, BPF_REG_1);
			*dst = *(const uint32_t *)(const void *)((const char *)ctx + i->off);
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			*dst = r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*dst = (uint64_t)i->imm;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			*dst &= (uint64_t)i->imm;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			*dst >>= i->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			if (*dst != (uint64_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			if (*dst == (uint64_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			if ((uint32_t)*dst != (uint32_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction 0x%x", i->code);
		}
	}
	fail_msg("the program does not end");
	return 0;
}

/* Every question of a small grid, to the rules and to the program. */
static void assert_same(const struct device_rules *rules)
{
	static const uint32_t majors[] = { 0, 1, 5, 7, 8, 10, 136, 259, UINT32_MAX };
	static const uint32_t minors[] = { 0, 1, 3, 5, 200, 1048575 };
	size_t n;
	struct bpf_insn *insn = device_filter_compile(rules, &n);

	for (uint32_t type = BPF_DEVCG_DEV_BLOCK; type <= BPF_DEVCG_DEV_CHAR; type++)
		for (uint32_t access = 1; access <= (R | W | M); access++)
			for (size_t i = 0; i < ARRAY_LEN(majors); i++)
				for (size_t j = 0; j < ARRAY_LEN(minors); j++) {
					struct bpf_cgroup_dev_ctx ctx = {
						.access_type = access << 16 | type,
						.major = majors[i],
						.minor = minors[j],
					};

					assert_int_equal(interpret(insn, n, &ctx),
							 device_rules_allow(rules, type, majors[i],
									    minors[j], access));
				}
	free(insn);
}

static void answers_as_the_rules_say(void **state)
{
	const uint32_t b = BPF_DEVCG_DEV_BLOCK, c = BPF_DEVCG_DEV_CHAR;
	static const struct rule deny_all = { 0, "a", -1, -1, "rwm" };
	const struct {
		struct rule rule[RULES_MAX];
		struct {
			uint32_t type, major, minor, access;
			int want;
		} ask[6];
	} cases[] = {
		{ { deny_all },
		  { { c, 1, 3, R | W, 1 },
		    { c, 136, 9, R, 1 },
		    { b, 8, 0, M, 1 }, /* making a node gives no access */
		    { b, 8, 0, R, 0 },
		    { c, 1, 1, R, 0 } } },
		{ { deny_all, { 1, "b", 8, -1, "r" } },
		  { { b, 8, 7, R, 1 }, { b, 8, 7, R | W, 0 }, { c, 8, 7, R, 0 } } },
		/* Rights of one device add up. */
		{ { deny_all, { 1, "b", 8, 5, "r" }, { 1, "b", 8, 5, "w" } },
		  { { b, 8, 5, R | W, 1 } } },
		/* Minor 0 with a major is 0; 0:0 is any. */
		{ { deny_all, { 1, "b", 8, 0, "rwm" } }, { { b, 8, 0, R, 1 }, { b, 8, 1, R, 0 } } },
		{ { deny_all, { 1, "b", 0, 0, "rwm" } }, { { b, 8, 1, W, 1 }, { c, 8, 1, R, 0 } } },
		/* Privileged, and one device taken out again. */
		{ { deny_all, { 1, "a", -1, -1, "rwm" }, { 0, "c", 10, 200, "w" } },
		  { { b, 8, 1, R | W | M, 1 },
		    { c, 10, 200, R, 1 },
		    { c, 10, 200, R | W, 0 },
		    { c, 10, 1, W, 1 } } },
		/* A default device denied. */
		{ { deny_all, { 0, "c", 1, 3, "rwm" } }, { { c, 1, 3, R, 0 }, { c, 1, 5, R, 1 } } },
		/* An empty access is all of it. */
		{ { { 0, "", 0, 0, "" }, { 1, "c", 7, 7, "" } }, { { c, 7, 7, R | W | M, 1 } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = make(cases[i].rule);
		struct device_rules rules;
		struct err e = ERR_INIT;

		assert_true(device_rules_deny_any(list, n));
		assert_int_equal(device_rules_read(&rules, list, n, &e), 0);
		for (size_t j = 0; cases[i].ask[j].type; j++)
			assert_int_equal(device_rules_allow(&rules, cases[i].ask[j].type,
							    cases[i].ask[j].major,
							    cases[i].ask[j].minor,
							    cases[i].ask[j].access),
					 cases[i].ask[j].want);
		assert_same(&rules);
		device_rules_done(&rules);
	}
}

static void refuses_what_it_does_not_know(void **state)
{
	static const struct rule cases[][2] = {
		{ { 1, "x", 1, 1, "r" } },
		{ { 1, "c", 1, 1, "rx" } },
		{ { 1, "a", 1, 1, "r" } },
		{ { 1, "c", 4294967296, 1, "r" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = make(cases[i]);
		struct device_rules rules;
		struct err e = ERR_INIT;

		assert_false(device_rules_deny_any(list, n));
		assert_int_equal(device_rules_read(&rules, list, n, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_as_the_rules_say),
		cmocka_unit_test(refuses_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

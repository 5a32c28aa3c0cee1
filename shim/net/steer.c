/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to any port of localhost; see steer.h. */
#include "shim/net/steer.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

enum {
	KEY_V4,
	KEY_V6,
	N_KEYS
};

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/*
 * Instructions, as linux/bpf.h has no names for whole ones. A jump stands at one place of the program
 * and leads to another.
 */
#define LOAD_FIELD(dst, src, field)                                                    \
	{                                                                              \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (dst), .src_reg = (src), \
		.off = (int16_t)offsetof(struct bpf_sk_lookup, field)                  \
	}
#define JUMP(at, op, reg, value, to)                                                               \
	{                                                                                          \
		.code = BPF_JMP | (op) | BPF_K, .dst_reg = (reg), .off = (int16_t)((to) - (at)-1), \
		.imm = (int32_t)(value)                                                            \
	}
#define ALU(op, reg, value)                                                        \
	{                                                                          \
		.code = BPF_ALU64 | (op) | BPF_K, .dst_reg = (reg), .imm = (value) \
	}
#define COPY(dst, src)                                                                  \
	{                                                                               \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src) \
	}
#define STORE(offset, src)                                                                  \
	{                                                                                   \
		.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .src_reg = (src), \
		.off = (offset)                                                             \
	}
#define CALL(helper)                                        \
	{                                                   \
		.code = BPF_JMP | BPF_CALL, .imm = (helper) \
	}

#define KEY_ON_STACK (-4)

/* Places in the program that jumps lead to. */
enum {
	IS_V4 = 15,
	COMPARE = 17,
	COMPARE_V6 = 20,
	FOUND = 21,
	PASS = 35
};

static int load_program(int map, struct err *e)
{
	const struct bpf_insn program[] = {
		[0] = COPY(BPF_REG_6, BPF_REG_1),
		[1] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, protocol),
		[2] = JUMP(2, BPF_JNE, BPF_REG_2, IPPROTO_TCP, PASS),
		[3] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, family),
		[4] = JUMP(4, BPF_JEQ, BPF_REG_2, AF_INET, IS_V4),
		[5] = JUMP(5, BPF_JNE, BPF_REG_2, AF_INET6, PASS),
		[6] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, local_ip6[0]),
		[7] = JUMP(7, BPF_JNE, BPF_REG_2, 0, PASS),
		[8] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, local_ip6[1]),
		[9] = JUMP(9, BPF_JNE, BPF_REG_2, 0, PASS),
		[10] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, local_ip6[2]),
		[11] = JUMP(11, BPF_JNE, BPF_REG_2, 0, PASS),
		[12] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, local_ip6[3]),
		[13] = ALU(BPF_MOV, BPF_REG_3, KEY_V6),
		[14] = JUMP(14, BPF_JA, BPF_REG_0, 0, COMPARE),
		[IS_V4] = LOAD_FIELD(BPF_REG_2, BPF_REG_6, local_ip4),
		[16] = ALU(BPF_MOV, BPF_REG_3, KEY_V4),
		[COMPARE] = JUMP(COMPARE, BPF_JEQ, BPF_REG_3, KEY_V6, COMPARE_V6),
		[18] = JUMP(18, BPF_JNE, BPF_REG_2, htonl(INADDR_LOOPBACK), PASS),
		[19] = JUMP(19, BPF_JA, BPF_REG_0, 0, FOUND),
		[COMPARE_V6] = JUMP(COMPARE_V6, BPF_JNE, BPF_REG_2, htonl(1), PASS),
		[FOUND] = STORE(KEY_ON_STACK, BPF_REG_3),
		/* The address of the map takes the room of two. */
		[22] = { .code = BPF_LD | BPF_DW | BPF_IMM,
			 .dst_reg = BPF_REG_1,
			 .src_reg = BPF_PSEUDO_MAP_FD,
			 .imm = map },
		[24] = COPY(BPF_REG_2, BPF_REG_10),
		[25] = ALU(BPF_ADD, BPF_REG_2, KEY_ON_STACK),
		[26] = CALL(BPF_FUNC_map_lookup_elem),
		[27] = JUMP(27, BPF_JEQ, BPF_REG_0, 0, PASS),
		[28] = COPY(BPF_REG_7, BPF_REG_0),
		[29] = COPY(BPF_REG_1, BPF_REG_6),
		[30] = COPY(BPF_REG_2, BPF_REG_0),
		[31] = ALU(BPF_MOV, BPF_REG_3, 0),
		[32] = CALL(BPF_FUNC_sk_assign),
		[33] = COPY(BPF_REG_1, BPF_REG_7),
		[34] = CALL(BPF_FUNC_sk_release),
		[PASS] = ALU(BPF_MOV, BPF_REG_0, SK_PASS),
		[36] = { .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP };
	int fd;

	attr.expected_attach_type = BPF_SK_LOOKUP;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = sizeof(program) / sizeof(program[0]);
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = bpf(BPF_PROG_LOAD, &attr);
	return fd < 0 ? err_sys(e, errno, "load a program of the socket lookup") : fd;
}

static int make_map(struct err *e)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP };
	int fd;

	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint32_t);
	attr.max_entries = N_KEYS;
	fd = bpf(BPF_MAP_CREATE, &attr);
	return fd < 0 ? err_sys(e, errno, "make a map of sockets") : fd;
}

static int put_socket(int map, uint32_t key, int sock, struct err *e)
{
	union bpf_attr attr = { .map_fd = (uint32_t)map };
	uint32_t value = (uint32_t)sock;

	if (sock < 0)
		return 0;
	attr.key = (uint64_t)(uintptr_t)&key;
	attr.value = (uint64_t)(uintptr_t)&value;
	if (bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0)
		return err_sys(e, errno, "put a socket into a map");
	return 0;
}

int steer_localhost(int netns_fd, int v4, int v6, struct err *e)
{
	auto_close int map = make_map(e);
	auto_close int program = -1;
	union bpf_attr attr;
	int link;

	if (map < 0 || put_socket(map, KEY_V4, v4, e) < 0 || put_socket(map, KEY_V6, v6, e) < 0)
		return -1;
	program = load_program(map, e);
	if (program < 0)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)netns_fd;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	link = bpf(BPF_LINK_CREATE, &attr);
	return link < 0 ? err_sys(e, errno, "attach a program to the socket lookup") : link;
}

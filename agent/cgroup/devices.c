/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules and the BPF program made of them; see devices.h. */
#include "agent/cgroup/devices.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* Instructions for one exception, at most; and those around all of them. */
#define INSNS_EACH  8
#define INSNS_FIXED 8

/* runtime-spec, config-linux.md, "Default Devices", with making nodes and pseudo terminals. */
static const struct device_exception defaults[] = {
	{ BPF_DEVCG_DEV_CHAR, DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD },
	{ BPF_DEVCG_DEV_BLOCK, DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD },
	{ BPF_DEVCG_DEV_CHAR, 1, 3, ACCESS_ALL },            /* null */
	{ BPF_DEVCG_DEV_CHAR, 1, 5, ACCESS_ALL },            /* zero */
	{ BPF_DEVCG_DEV_CHAR, 1, 7, ACCESS_ALL },            /* full */
	{ BPF_DEVCG_DEV_CHAR, 1, 8, ACCESS_ALL },            /* random */
	{ BPF_DEVCG_DEV_CHAR, 1, 9, ACCESS_ALL },            /* urandom */
	{ BPF_DEVCG_DEV_CHAR, 5, 0, ACCESS_ALL },            /* tty */
	{ BPF_DEVCG_DEV_CHAR, 5, 1, ACCESS_ALL },            /* console */
	{ BPF_DEVCG_DEV_CHAR, 5, 2, ACCESS_ALL },            /* ptmx */
	{ BPF_DEVCG_DEV_CHAR, 136, DEVICE_ANY, ACCESS_ALL }, /* pts */
	{ BPF_DEVCG_DEV_CHAR, 10, 200, ACCESS_ALL },         /* net/tun */
};

static void set_default(struct device_rules *r, bool allow)
{
	r->allow = allow;
	r->n = 0;
}

static struct device_exception *find(struct device_rules *r, const struct device_exception *x)
{
	for (size_t i = 0; i < r->n; i++) {
		struct device_exception *y = &r->exception[i];

		if (y->type == x->type && y->major == x->major && y->minor == x->minor)
			return y;
	}
	return NULL;
}

static void apply(struct device_rules *r, bool allow, const struct device_exception *x)
{
	struct device_exception *same = find(r, x);

	if (allow == r->allow) { /* no exception any more */
		if (same) {
			same->access &= ~x->access;
			if (same->access == 0)
				*same = r->exception[--r->n];
		}
		return;
	}
	if (same) {
		same->access |= x->access;
		return;
	}
	r->exception = xrealloc(r->exception, (r->n + 1) * sizeof(*x));
	r->exception[r->n++] = *x;
}

bool device_rules_deny_any(Grpc__LinuxDeviceCgroup *const *rule, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!rule[i]->allow)
			return true;
	return false;
}

static int parse_access(const char *text, uint32_t *ret, struct err *e)
{
	uint32_t access = 0;

	for (const char *p = text; *p; p++) {
		if (*p == 'r')
			access |= BPF_DEVCG_ACC_READ;
		else if (*p == 'w')
			access |= BPF_DEVCG_ACC_WRITE;
		else if (*p == 'm')
			access |= BPF_DEVCG_ACC_MKNOD;
		else
			return err_set(e, ERR_INVALID, "device rule: access '%.16s'", text);
	}
	*ret = access ? access : ACCESS_ALL;
	return 0;
}

static int add_rule(struct device_rules *r, const Grpc__LinuxDeviceCgroup *rule, struct err *e)
{
	bool any = rule->major == 0 && rule->minor == 0;
	struct device_exception x = {
		.major = any || rule->major < 0 ? DEVICE_ANY : rule->major,
		.minor = any || rule->minor < 0 ? DEVICE_ANY : rule->minor,
	};

	if (x.major > UINT32_MAX || x.minor > UINT32_MAX)
		return err_set(e, ERR_INVALID, "device rule: %lld:%lld", (long long)x.major,
			       (long long)x.minor);
	if (parse_access(rule->access, &x.access, e) < 0)
		return -1;
	if (rule->type[0] == '\0' || strcmp(rule->type, "a") == 0) {
		if (x.major != DEVICE_ANY || x.minor != DEVICE_ANY)
			return err_set(e, ERR_INVALID, "device rule: all types, but one number");
		set_default(r, rule->allow);
		return 0;
	}
	if (strcmp(rule->type, "b") == 0)
		x.type = BPF_DEVCG_DEV_BLOCK;
	else if (strcmp(rule->type, "c") == 0)
		x.type = BPF_DEVCG_DEV_CHAR;
	else
		return err_set(e, ERR_INVALID, "device rule: type '%.16s'", rule->type);
	apply(r, rule->allow, &x);
	return 0;
}

int device_rules_read(struct device_rules *ret, Grpc__LinuxDeviceCgroup *const *rule, size_t n,
		      struct err *e)
{
	auto_device_rules struct device_rules r = { .allow = false };
	size_t first = 0;

	/* The denial of everything that specs start with is ours already; the defaults come between
	 * it and the rules that follow. */
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		apply(&r, true, &defaults[i]);
	while (first < n && !rule[first]->allow &&
	       (rule[first]->type[0] == '\0' || strcmp(rule[first]->type, "a") == 0))
		first++;
	for (size_t i = first; i < n; i++)
		if (add_rule(&r, rule[i], e) < 0)
			return -1;
	*ret = r;
	r.exception = NULL;
	return 0;
}

void device_rules_done(struct device_rules *r)
{
	free(r->exception);
	r->exception = NULL;
	r->n = 0;
}

bool device_rules_allow(const struct device_rules *r, uint32_t type, uint32_t major, uint32_t minor,
			uint32_t access)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct device_exception *x = &r->exception[i];

		if (x->type != type || (x->major != DEVICE_ANY && x->major != major) ||
		    (x->minor != DEVICE_ANY && x->minor != minor))
			continue;
		/* An exception that allows must allow all that is asked; one that denies, any. */
		if (r->allow ? (access & x->access) != 0 : (access & ~x->access) == 0)
			return !r->allow;
	}
	return r->allow;
}

struct program {
	struct bpf_insn *insn;
	size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		 int32_t imm)
{
	struct bpf_insn *i = &p->insn[p->n++];

	*i = (struct bpf_insn){ .code = code, .off = off, .imm = imm };
	i->dst_reg = dst & 0xfu;
	i->src_reg = src & 0xfu;
}

static void emit_answer(struct program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Registers: r2 the access, r3 the type, r4 major, r5 minor, r6 for sums. */
static void emit_exception(struct program *p, const struct device_exception *x, bool allow)
{
	size_t jumps[4];
	size_t n = 0;
	const uint32_t mask = allow ? x->access : ~x->access & ACCESS_ALL;

	jumps[n++] = p->n;
	emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, (int32_t)x->type);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_2, 0, 0);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_6, 0, 0, (int32_t)mask);
	jumps[n++] = p->n;
	/* Denying (the default allows): none of it asked. Allowing: something else asked. */
	emit(p, BPF_JMP | (allow ? BPF_JEQ : BPF_JNE) | BPF_K, BPF_REG_6, 0, 0, 0);
	if (x->major != DEVICE_ANY) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)x->major);
	}
	if (x->minor != DEVICE_ANY) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)x->minor);
	}
	emit_answer(p, !allow);
	for (size_t i = 0; i < n; i++)
		p->insn[jumps[i]].off = (int16_t)(p->n - jumps[i] - 1);
}

struct bpf_insn *device_filter_compile(const struct device_rules *r, size_t *ret_n)
{
	struct program p = { .insn = xcalloc(INSNS_FIXED + INSNS_EACH * r->n,
					     sizeof(struct bpf_insn)) };
	const uint8_t load = BPF_LDX | BPF_MEM | BPF_W;

	emit(&p, load, BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(&p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(&p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, 0xffff);
	emit(&p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 16);
	emit(&p, load, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(&p, load, BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < r->n; i++)
		emit_exception(&p, &r->exception[i], r->allow);
	emit_answer(&p, r->allow);
	*ret_n = p.n;
	return p.insn;
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int device_filter_attach(const struct device_rules *r, int cgroup, int *program, struct err *e)
{
	size_t n;
	auto_free struct bpf_insn *insn = device_filter_compile(r, &n);
	union bpf_attr load, attach;
	auto_close int fd = -1;

	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insn_cnt = (uint32_t)n;
	load.insns = (uint64_t)(uintptr_t)insn;
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = bpf(BPF_PROG_LOAD, &load);
	if (fd < 0)
		return err_sys(e, errno, "device filter: load the program");

	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (uint32_t)cgroup;
	attach.attach_bpf_fd = (uint32_t)fd;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (*program >= 0) {
		attach.attach_flags |= BPF_F_REPLACE;
		attach.replace_bpf_fd = (uint32_t)*program;
	}
	if (bpf(BPF_PROG_ATTACH, &attach) < 0)
		return err_sys(e, errno, "device filter: attach the program");
	if (*program >= 0)
		(void)close(*program);
	*program = take_fd(&fd);
	return 0;
}

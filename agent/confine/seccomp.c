/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.Seccomp to a loaded filter. */
#include "agent/confine/seccomp.h"

#include <ctype.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/mem.h"

#define ARGS_MAX     6 /* of a system call */
#define SYSCALLS_MAX 65536

struct seccomp_filter {
	scmp_filter_ctx ctx;
};

static int parse_action(const char *name, uint32_t errno_ret, uint32_t *ret, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t action;
	} table[] = {
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].action;
			return 0;
		}
	}
	if (strcmp(name, "SCMP_ACT_ERRNO") == 0)
		*ret = SCMP_ACT_ERRNO(errno_ret);
	else if (strcmp(name, "SCMP_ACT_TRACE") == 0)
		*ret = SCMP_ACT_TRACE(errno_ret);
	else if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return err_set(e, ERR_UNSUPPORTED, "SCMP_ACT_NOTIFY is not supported");
	else
		return err_set(e, ERR_INVALID, "'%s' is no action", name);
	return 0;
}

static int parse_operator(const char *name, enum scmp_compare *ret, struct err *e)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} table[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].op;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "'%s' is no comparison", name);
}

static int add_architecture(scmp_filter_ctx ctx, const char *name, struct err *e)
{
	char lower[32];
	uint32_t arch = 0;
	int r;

	if (strncmp(name, "SCMP_ARCH_", 10) == 0 && strlen(name + 10) < sizeof(lower)) {
		size_t len = strlen(name + 10);

		for (size_t i = 0; i <= len; i++)
			lower[i] = (char)tolower((unsigned char)name[10 + i]);
		arch = strcmp(lower, "native") == 0 ? seccomp_arch_native()
						    : seccomp_arch_resolve_name(lower);
	}
	if (arch == 0)
		return err_set(e, ERR_INVALID, "'%s' is no architecture", name);
	r = seccomp_arch_add(ctx, arch);
	if (r < 0 && r != -EEXIST)
		return err_sys(e, -r, "architecture %s", name);
	return 0;
}

/* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is about a listener's answers: there is none (SCMP_ACT_NOTIFY). */
#define FLAG_OF_LISTENERS "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"

static int set_flag(scmp_filter_ctx ctx, const char *name, struct err *e)
{
	static const struct {
		const char *name;
		enum scmp_filter_attr attr;
	} table[] = {
		{ "SECCOMP_FILTER_FLAG_TSYNC", SCMP_FLTATR_CTL_TSYNC },
		{ "SECCOMP_FILTER_FLAG_LOG", SCMP_FLTATR_CTL_LOG },
		{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SCMP_FLTATR_CTL_SSB },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int r;

		if (strcmp(table[i].name, name) != 0)
			continue;
		r = seccomp_attr_set(ctx, table[i].attr, 1);
		return r < 0 ? err_sys(e, -r, "flag %s", name) : 0;
	}
	if (strcmp(name, FLAG_OF_LISTENERS) == 0)
		return 0;
	return err_set(e, ERR_INVALID, "'%s' is no flag", name);
}

static int add_rule(scmp_filter_ctx ctx, uint32_t action, const char *name, int number,
		    const struct scmp_arg_cmp *cmp, unsigned n, struct err *e)
{
	int r = seccomp_rule_add_array(ctx, action, number, n, cmp);

	return r < 0 ? err_sys(e, -r, "rule for %s", name) : 0;
}

/* All conditions must hold; but several on one argument, which a filter cannot express together,
 * are alternatives, as the OCI runtimes have always read them. */
static int add_conditions(scmp_filter_ctx ctx, uint32_t action, const char *name, int number,
			  const Grpc__LinuxSyscall *sc, struct err *e)
{
	struct scmp_arg_cmp cmp[ARGS_MAX];
	bool alternatives = false;
	unsigned seen = 0;

	if (sc->n_args > ARGS_MAX)
		return err_set(e, ERR_INVALID, "%s: more than %d conditions", name, ARGS_MAX);
	for (size_t i = 0; i < sc->n_args; i++) {
		const Grpc__LinuxSeccompArg *a = sc->args[i];
		enum scmp_compare op;

		if (a->index >= ARGS_MAX)
			return err_set(e, ERR_INVALID, "%s: argument %llu", name,
				       (unsigned long long)a->index);
		if (parse_operator(a->op, &op, e) < 0)
			return err_wrap(e, "%s", name);
		cmp[i] = (struct scmp_arg_cmp){
			.arg = (unsigned)a->index,
			.op = op,
			.datum_a = a->value,
			.datum_b = a->valuetwo,
		};
		alternatives |= (seen & 1u << a->index) != 0;
		seen |= 1u << a->index;
	}
	if (!alternatives)
		return add_rule(ctx, action, name, number, cmp, (unsigned)sc->n_args, e);
	for (size_t i = 0; i < sc->n_args; i++)
		if (add_rule(ctx, action, name, number, &cmp[i], 1, e) < 0)
			return -1;
	return 0;
}

static int add_syscalls(scmp_filter_ctx ctx, const Grpc__LinuxSyscall *sc, uint32_t default_action,
			struct err *e)
{
	bool given = sc->errno_ret_case == GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	uint32_t action;

	if (parse_action(sc->action, given ? sc->errnoret : EPERM, &action, e) < 0)
		return -1;
	if (action == default_action) /* says nothing, and libseccomp refuses it */
		return 0;
	for (size_t i = 0; i < sc->n_names; i++) {
		int number = seccomp_syscall_resolve_name(sc->names[i]);

		if (number != __NR_SCMP_ERROR &&
		    add_conditions(ctx, action, sc->names[i], number, sc, e) < 0)
			return -1;
	}
	return 0;
}

struct seccomp_filter *seccomp_build(const Grpc__LinuxSeccomp *spec, struct err *e)
{
	struct seccomp_filter *f;
	uint32_t action;

	if (spec->n_syscalls > SYSCALLS_MAX) {
		err_set(e, ERR_EXHAUSTED, "more than %d rules", SYSCALLS_MAX);
		return NULL;
	}
	if (parse_action(spec->defaultaction, EPERM, &action, e) < 0)
		return NULL;
	f = xnew(struct seccomp_filter);
	f->ctx = seccomp_init(action);
	if (!f->ctx) {
		err_set(e, ERR_INVALID, "default action %s", spec->defaultaction);
		goto fail;
	}
	/* no_new_privs is the spec's to choose, not libseccomp's to set. */
	if (seccomp_attr_set(f->ctx, SCMP_FLTATR_CTL_NNP, 0) < 0) {
		err_set(e, ERR_INTERNAL, "libseccomp refuses to leave no_new_privs alone");
		goto fail;
	}
	for (size_t i = 0; i < spec->n_architectures; i++)
		if (add_architecture(f->ctx, spec->architectures[i], e) < 0)
			goto fail;
	for (size_t i = 0; i < spec->n_flags; i++)
		if (set_flag(f->ctx, spec->flags[i], e) < 0)
			goto fail;
	for (size_t i = 0; i < spec->n_syscalls; i++)
		if (add_syscalls(f->ctx, spec->syscalls[i], action, e) < 0)
			goto fail;
	return f;
fail:
	seccomp_free(f);
	return NULL;
}

void seccomp_free(struct seccomp_filter *f)
{
	if (!f)
		return;
	if (f->ctx)
		seccomp_release(f->ctx);
	free(f);
}

int seccomp_filter_load(const struct seccomp_filter *f, struct err *e)
{
	int r = seccomp_load(f->ctx);

	return r < 0 ? err_sys(e, -r, "seccomp_load") : 0;
}

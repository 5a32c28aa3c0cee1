/* SPDX-License-Identifier: Apache-2.0 */
/* Process.Rlimits. */
#include "agent/confine/rlimits.h"

#include <string.h>
#include <sys/resource.h>

int rlimit_number(const char *name, int *ret, struct err *e)
{
	static const struct {
		const char *name;
		int number;
	} table[] = {
		{ "RLIMIT_AS", RLIMIT_AS },
		{ "RLIMIT_CORE", RLIMIT_CORE },
		{ "RLIMIT_CPU", RLIMIT_CPU },
		{ "RLIMIT_DATA", RLIMIT_DATA },
		{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
		{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
		{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
		{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
		{ "RLIMIT_NICE", RLIMIT_NICE },
		{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
		{ "RLIMIT_NPROC", RLIMIT_NPROC },
		{ "RLIMIT_RSS", RLIMIT_RSS },
		{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
		{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
		{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
		{ "RLIMIT_STACK", RLIMIT_STACK },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].number;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "'%s' is no resource limit", name);
}

int rlimits_apply(Grpc__POSIXRlimit *const *limit, size_t n, struct err *e)
{
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rlimit rl = { .rlim_cur = limit[i]->soft, .rlim_max = limit[i]->hard };
		int number;

		if (rlimit_number(limit[i]->type, &number, e) < 0)
			return -1;
		if (seen & 1u << number)
			return err_set(e, ERR_INVALID, "%s is given twice", limit[i]->type);
		seen |= 1u << number;
		if (setrlimit((__rlimit_resource_t)number, &rl) < 0)
			return err_sys(e, errno, "%s soft %llu hard %llu", limit[i]->type,
				       (unsigned long long)limit[i]->soft,
				       (unsigned long long)limit[i]->hard);
	}
	return 0;
}

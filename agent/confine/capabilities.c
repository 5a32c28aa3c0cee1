/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities. libcap-ng knows the names; the sets are applied by the calls themselves, because
 * libcap-ng keeps its own idea of the process's state, read from /proc, which is the container's.
 */
#include "agent/confine/capabilities.h"

#include <cap-ng.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"

static int last_capability(void)
{
	int cap = 0;

	while (cap < 63 && prctl(PR_CAPBSET_READ, cap + 1, 0, 0, 0) >= 0)
		cap++;
	return cap;
}

static bool contains(char *const *list, const char *word)
{
	for (size_t i = 0; list && list[i]; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}

uint64_t capabilities_parse(char *const *name, size_t n, char ***unknown)
{
	int last = last_capability();
	uint64_t mask = 0;

	for (size_t i = 0; i < n; i++) {
		int cap = strncmp(name[i], "CAP_", 4) == 0 ? capng_name_to_capability(name[i] + 4)
							   : -1;

		if (cap >= 0 && cap <= last)
			mask |= (uint64_t)1 << cap;
		else if (!contains(*unknown, name[i]))
			strv_add(unknown, name[i]);
	}
	return mask;
}

int capabilities_bound(uint64_t keep, struct err *e)
{
	int last = last_capability();

	for (int cap = 0; cap <= last; cap++)
		if (!(keep & (uint64_t)1 << cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(e, errno, "PR_CAPBSET_DROP %d", cap);
	return 0;
}

int capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(effective >> (32 * i)),
			.permitted = (uint32_t)(permitted >> (32 * i)),
			.inheritable = (uint32_t)(inheritable >> (32 * i)),
		};
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, errno, "capset");
	return 0;
}

int capabilities_take_up(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(e, errno, "capget");
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, errno, "capset");
	return 0;
}

int capabilities_set_ambient(uint64_t ambient, struct err *e)
{
	int last = last_capability();

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, errno, "clear ambient capabilities");
	for (int cap = 0; cap <= last; cap++)
		if (ambient & (uint64_t)1 << cap &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(e, errno, "raise ambient capability %d", cap);
	return 0;
}

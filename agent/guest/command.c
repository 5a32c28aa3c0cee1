/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest has a program; see command.h. */
#include "agent/guest/command.h"

#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"

char *command_find(const char *name, struct err *e)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *path = path_join(dirs[i], name);

		if (access(path, X_OK) == 0)
			return take_ptr(path);
	}
	err_set(e, ERR_NOT_FOUND, "the guest has no %s in /usr/sbin or /sbin", name);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers; see id.h. */
#include "common/base/id.h"

#include <string.h>

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool id_valid(const char *id)
{
	size_t len = strnlen(id, ID_MAX + 1);

	if (len == 0 || len > ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (is_alnum(id[i]))
			continue;
		if (!strchr("._-", id[i]) || i == 0 || i == len - 1 || !is_alnum(id[i - 1]))
			return false;
	}
	return true;
}

int id_check(const char *what, const char *id, struct err *e)
{
	if (!id_valid(id))
		return err_set(e, ERR_INVALID, "%s '%.80s' is not a valid identifier", what, id);
	return 0;
}

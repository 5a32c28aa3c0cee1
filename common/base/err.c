/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with their text inline; see err.h. */
#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum err_code code_of(int sys)
{
	switch (sys) {
	case ENOENT:
	case ESRCH:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EINVAL:
	case ENAMETOOLONG:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
		return ERR_INVALID;
	case EPERM:
	case EACCES:
	case EROFS:
		return ERR_DENIED;
	case ENOSPC:
	case EMFILE:
	case ENFILE:
	case EDQUOT:
	case ENOMEM:
		return ERR_EXHAUSTED;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ECANCELED:
		return ERR_CANCELLED;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ENOTCONN:
		return ERR_UNAVAILABLE;
	case ENOSYS:
	case EOPNOTSUPP:
		return ERR_UNSUPPORTED;
	default:
		return ERR_INTERNAL;
	}
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->sys = 0;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, int sys, const char *fmt, ...)
{
	va_list ap;
	int n;

	e->code = code_of(sys);
	e->sys = sys;
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		(void)snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", strerror(sys));
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		(void)snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", old);
	return -1;
}

int err_append(struct err *e, const char *fmt, ...)
{
	size_t len = strnlen(e->text, sizeof(e->text));
	va_list ap;

	if (len + 3 >= sizeof(e->text))
		return -1;
	memcpy(e->text + len, "; ", 3);
	len += 2;
	va_start(ap, fmt);
	(void)vsnprintf(e->text + len, sizeof(e->text) - len, fmt, ap);
	va_end(ap);
	return -1;
}

void err_one_line(struct err *e)
{
	for (char *at = e->text; (at = strpbrk(at, "\r\n")); at++)
		*at = ' ';
}

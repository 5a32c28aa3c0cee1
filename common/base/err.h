/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_ERR_H
#define HUSK_BASE_ERR_H

#include "common/base/cleanup.h"

/*
 * Errors.
 *
 * Every function that can fail for more than one reason takes a `struct err *` as its last
 * argument, returns 0 (or a useful value >= 0) on success and -1 on failure, and leaves the error
 * untouched on success. The text is stored inline, so setting an error allocates nothing, cannot
 * fail and leaves nothing to release.
 *
 * The code says what the caller can do about it; the text gets its context on the way up, each
 * level adding what only it knows. Only the edges log.
 */

#define ERR_TEXT_MAX 2048 /* bytes, NUL included; room for a VMM's last words. Longer: cut */

/* Mapped to ttrpc status codes in one place: common/rpc/status.c. */
enum err_code {
	ERR_NONE = 0,
	ERR_INVALID, /* the request is wrong; the same request will fail again */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_STATE, /* right request, wrong moment */
	ERR_DENIED,
	ERR_EXHAUSTED, /* a limit of ours or of the host */
	ERR_TIMEOUT,
	ERR_CANCELLED,   /* the fiber that waited was cancelled */
	ERR_UNAVAILABLE, /* the peer went away; retry may help */
	ERR_UNSUPPORTED,
	ERR_INTERNAL,
};

struct err {
	enum err_code code;
	int sys; /* the errno behind it, 0 if there was none */
	char text[ERR_TEXT_MAX];
};

#define ERR_INIT ((struct err){ .code = ERR_NONE })

/* All return -1, so that `return err_sys(...)` is a whole failure path. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "<fmt>: <strerror(sys)>", the code chosen from the errno (ENOENT: not found, and so on). */
int err_sys(struct err *e, int sys, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "<fmt>: " in front of what is already there; the code stays. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "; <fmt>" behind what is already there: what a VMM said before it died. The code stays. */
int err_append(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Blanks for ends of lines: for a terminal, or one field of a pod's status. */
void err_one_line(struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_IO_URI_H
#define HUSK_SHIM_IO_URI_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * What containerd writes where a standard stream goes (containerd-shim 4.3):
 *
 *   (empty)                 nowhere
 *   /path, fifo:///path     a fifo that the client made; plain paths are taken as they are
 *   file:///path            appended to, made if need be
 *   binary:///path?k=v      a program that is given the streams; arguments k v, in this order
 *   binary-v2:///path?k=v   the same, and it must say that it is ready
 *
 * Percent escapes are decoded after a scheme. Anything else is ERR_UNSUPPORTED by its scheme.
 */
#define URI_MAX 8192 /* bytes */

enum uri_scheme {
	URI_NONE,
	URI_FIFO,
	URI_FILE,
	URI_BINARY,
	URI_BINARY_V2
};

struct uri {
	enum uri_scheme scheme;
	char *path;       /* absolute; NULL for URI_NONE */
	char **arguments; /* keys and values by turns; NULL: none */
};

int uri_parse(const char *text, struct uri *ret, struct err *e) must_check;
void uri_done(struct uri *u);

#define URI_INIT ((struct uri){ .path = NULL })
#define auto_uri CLEANUP(uri_done)

#endif

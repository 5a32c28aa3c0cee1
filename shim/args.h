/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_ARGS_H
#define HUSK_SHIM_ARGS_H

#include <stdbool.h>

#include "common/base/err.h"

/*
 * The command line as containerd writes it (containerd-shim.md 1.2): long options in the style of
 * Go's flag package, one dash or two, "-flag value" or "-flag=value", and the action as the last
 * argument. Strings are borrowed from argv and never NULL; "" is "not given".
 */
struct shim_args {
	const char *ns;
	const char *address;        /* path of containerd's gRPC socket */
	const char *publish_binary; /* containerd's own executable; not used, its ttrpc socket is */
	const char *id;
	const char *bundle; /* given to `delete` and, by ourselves, to `serve` */
	const char *socket; /* given to `serve` by ourselves: its own socket's path */
	const char *config; /* likewise: the configuration that the runtime options name */
	bool debug, version, info;
	const char *action; /* "start", "delete" or, from ourselves, "serve" */
};

int shim_args_parse(int argc, const char *const *argv, struct shim_args *ret, struct err *e)
	must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_COMMAND_H
#define HUSK_SHIM_COMMAND_H

#include "shim/args.h"

/*
 * What the program can be asked to do, one file each. All return 0, or -1 with the one line that
 * main() writes to standard error; standard output carries the answer and nothing else.
 */
int command_start(const struct shim_args *args, struct err *e) must_check;
int command_delete(const struct shim_args *args, struct err *e) must_check;
int command_info(struct err *e) must_check;
int command_version(struct err *e) must_check;

/*
 * The long-lived server, exec'd by `start`. It inherits its listening socket and a pipe on which it
 * says that it is ready (nothing but end of file) or why it cannot be (the text of the error).
 */
#define SERVE_LISTEN_FD 3
#define SERVE_READY_FD  4
int command_serve(const struct shim_args *args, struct err *e) must_check;

#define SHIM_RUNTIME_NAME "io.containerd.husk.v2"

#endif

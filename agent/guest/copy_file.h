/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_COPY_FILE_H
#define HUSK_AGENT_GUEST_COPY_FILE_H

#include "agent.pb-c.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * One call of CopyFile (agent-protocol 3.15): a directory, a symlink, or a piece of a regular file that
 * appears under its name once it is whole. Blocks; may run on a worker thread.
 *
 * Nothing outside `root` is touched whatever lies in it: parents are resolved beneath it, the last
 * component is never followed. ERR_INVALID: a path that is not below `root`, a type that is none of the
 * three, a piece that does not belong into the file.
 */
#define COPY_FILE_SIZE_MAX (INT64_C(1) << 40) /* bytes of one file */

int copy_file(const char *root, const Grpc__CopyFileRequest *req, struct err *e) must_check;

#endif

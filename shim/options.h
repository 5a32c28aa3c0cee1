/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_OPTIONS_H
#define HUSK_SHIM_OPTIONS_H

#include "common/base/err.h"
#include "google/protobuf/any.pb-c.h"

/*
 * Runtime options: what a client or the CRI configuration attached to the runtime. Either may be NULL
 * or of a type that means nothing here, which is not an error (containerd-shim.md 4.16).
 */

/* The options' ConfigPath, "" if there is none. For free(). */
char *options_config_path(const Google__Protobuf__Any *options) must_check;

/* runc's shim_cgroup: the cgroup that the shim is to live in, "" if none was asked for. For free(). */
char *options_shim_cgroup(const Google__Protobuf__Any *options) must_check;

#endif

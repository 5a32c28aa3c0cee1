/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_ANNOTATIONS_H
#define HUSK_CONFIG_ANNOTATIONS_H

#include "common/json/json.h"
#include "config/config.h"

/*
 * What a pod says about its own VM: annotations io.katacontainers.config.<section>.<key>, section
 * being hypervisor, runtime or agent, key a key of that table, value as in the file without quotes
 * (an array as the file has it). Two differ from Kata's file names for historical reasons:
 * default_max_vcpus is default_maxvcpus, and kernel_params adds to the configured ones.
 *
 * The administrator decides which: an entry of hypervisor.enable_annotations is an extended regular
 * expression that must match the whole of "<key>" (of the hypervisor's table) or of "<section>.<key>".
 * Keys that concern the host alone can never be set, paths must match the valid_… list of their key.
 *
 * Anything else that begins with the prefix fails, with an error that names the annotation: a pod
 * that asked for something does not run without it. On failure *c is not to be used.
 */
int config_apply_annotations(struct config *c, const struct json_map *annotations, struct err *e)
	must_check;

#endif

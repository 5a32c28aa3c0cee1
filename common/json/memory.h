/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_JSON_MEMORY_H
#define HUSK_JSON_MEMORY_H

#include <yajl/yajl_common.h>

/*
 * For yajl, which does not look at what malloc() gives it. It wants a copy that is not const, and makes
 * one of its own. For the files of this directory only.
 */
extern const yajl_alloc_funcs json_memory;

#endif

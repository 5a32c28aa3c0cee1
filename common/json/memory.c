/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for yajl's parser and generator; see memory.h. */
#include "common/json/memory.h"

#include <stdlib.h>

#include "common/base/mem.h"

static void *alloc(void *ctx, size_t n)
{
	(void)ctx;
	return xmalloc(n);
}

static void *resize(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return xrealloc(p, n);
}

static void release(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

const yajl_alloc_funcs json_memory = { .malloc = alloc, .realloc = resize, .free = release };

/* SPDX-License-Identifier: Apache-2.0 */
/* Storage options, one a line: what parses is consistent, and reads the same when written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/verity/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct verity_params *p)
{
	auto_strv char **again = NULL;
	auto_free char *table = verity_table(p, "1:2");
	struct verity_params read;
	struct err e = ERR_INIT;

	if (verity_sectors(p) * 512 > p->hash_offset || strpbrk(table, "\t\n"))
		abort();
	verity_options_add(p, &again);
	if (verity_options_parse(again, strv_len((const char *const *)again), &read, &e) != 1 ||
	    memcmp(&read, p, sizeof(read)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv char **option = NULL;
	struct verity_params p;
	struct err e = ERR_INIT;
	char *rest = text;
	char *line;
	int r;

	while ((line = strsep(&rest, "\n")))
		strv_add(&option, line);
	r = verity_options_parse(option, strv_len((const char *const *)option), &p, &e);
	if (r > 0)
		check(&p);
	if ((r < 0) != (e.code != ERR_NONE))
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for a volume; see hugepages.h and agent-protocol 4.1, "Ephemeral". */
#include "agent/storage/hugepages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"

static int read_bytes(char *const *option, size_t n, const char *name, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = option[i] + strlen(name);

		if (strncmp(option[i], name, strlen(name)) != 0)
			continue;
		if (!num_u64(value, 10, ret) || *ret == 0)
			return err_set(e, ERR_INVALID, "option '%s' is no number of bytes",
				       option[i]);
		return 0;
	}
	return err_set(e, ERR_INVALID, "option '%s' is missing", name);
}

int hugepages_reserve(const char *sys, char *const *option, size_t n, struct err *e)
{
	auto_free char *file = NULL;
	auto_free char *line = NULL;
	uint64_t page_size, size, pages, got;

	if (read_bytes(option, n, "pagesize=", &page_size, e) < 0 ||
	    read_bytes(option, n, "size=", &size, e) < 0)
		return -1;
	pages = size / page_size;
	file = xasprintf("%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", sys,
			 page_size / 1024);
	if (file_writef(AT_FDCWD, file, e, "%" PRIu64, pages) < 0)
		return err_wrap(e, "huge pages of %" PRIu64 " bytes", page_size);
	if (file_read_line(AT_FDCWD, file, &line, e) < 0)
		return -1;
	/* The kernel takes any number and gives what it has. */
	if (!num_u64(line, 10, &got) || got < pages)
		return err_set(e, ERR_EXHAUSTED,
			       "Only allocated %s of %" PRIu64 " huge pages of %" PRIu64 " bytes",
			       line, pages, page_size);
	return 0;
}

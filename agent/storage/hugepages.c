/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for a volume; see hugepages.h and agent-protocol 4.1, "Ephemeral". */
#include "agent/storage/hugepages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"

/* Kata's hosts write both into one option, with a comma in between. */
static int read_bytes(char *const *option, size_t n, const char *name, uint64_t *ret, struct err *e)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i < n; i++) {
		for (const char *word = option[i]; *word; word += word[0] == ',') {
			size_t len = strcspn(word, ",");
			auto_free char *value = NULL;

			if (len >= name_len && strncmp(word, name, name_len) == 0) {
				value = xstrndup(word + name_len, len - name_len);
				if (num_u64(value, 10, ret) && *ret > 0)
					return 0;
				return err_set(e, ERR_INVALID, "option '%s' is no number of bytes",
					       option[i]);
			}
			word += len;
		}
	}
	return err_set(e, ERR_INVALID, "option '%s' is missing", name);
}

struct reserved {
	char *file;
	uint64_t pages;
};

static int read_pages(const char *file, uint64_t *ret, struct err *e)
{
	auto_free char *line = NULL;

	if (file_read_line(AT_FDCWD, file, &line, e) < 0)
		return -1;
	if (!num_u64(line, 10, ret))
		return err_set(e, ERR_INTERNAL, "'%s' says '%s'", file, line);
	return 0;
}

static void give_back(void *arg)
{
	struct reserved *r = arg;
	struct err e = ERR_INIT;
	uint64_t now;

	if (read_pages(r->file, &now, &e) < 0 ||
	    file_writef(AT_FDCWD, r->file, &e, "%" PRIu64 "\n",
			now > r->pages ? now - r->pages : 0) < 0)
		log_warn("huge pages stay set aside: %s", e.text);
	free(r->file);
	free(r);
}

int hugepages_reserve(const char *sys, char *const *option, size_t n, struct undo *u, struct err *e)
{
	uint64_t page_size, size, pages, before, now;
	auto_free char *file = NULL;
	struct reserved *r;

	if (read_bytes(option, n, "pagesize=", &page_size, e) < 0 ||
	    read_bytes(option, n, "size=", &size, e) < 0)
		return -1;
	pages = size / page_size;
	file = xasprintf("%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", sys,
			 page_size / 1024);
	if (read_pages(file, &before, e) < 0 ||
	    file_writef(AT_FDCWD, file, e, "%" PRIu64 "\n", before + pages) < 0 ||
	    read_pages(file, &now, e) < 0)
		return err_wrap(e, "huge pages of %" PRIu64 " bytes", page_size);
	r = xnew(struct reserved);
	*r = (struct reserved){ .file = take_ptr(file), .pages = now > before ? now - before : 0 };
	/* The kernel takes any number and gives what it has: what it gave would be missing elsewhere. */
	if (r->pages < pages) {
		err_set(e, ERR_EXHAUSTED,
			"Only allocated %" PRIu64 " of %" PRIu64 " huge pages of %" PRIu64 " bytes",
			r->pages, pages, page_size);
		give_back(r);
		return -1;
	}
	undo_push(u, "huge pages", give_back, r);
	return 0;
}

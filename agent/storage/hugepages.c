/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for a volume; see hugepages.h and agent-protocol 4.1, "Ephemeral". */
#include "agent/storage/hugepages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/async/work.h"
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

/* One at a time: what is written is a sum with what was read. */
static struct {
	bool busy;
	struct cond idle;
} kernel;

struct reserved {
	char *file;
	uint64_t pages;
};

/* More pages or less, by a worker: the kernel may move much of the memory before it answers. */
struct change {
	const char *file;
	uint64_t more, less;
	uint64_t given; /* of `more` */
	struct err e;
	bool failed;
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

static int change_pages(struct change *c)
{
	uint64_t before, now;

	if (read_pages(c->file, &before, &c->e) < 0 ||
	    file_writef(AT_FDCWD, c->file, &c->e, "%" PRIu64 "\n",
			before + c->more - (c->less < before ? c->less : before)) < 0 ||
	    read_pages(c->file, &now, &c->e) < 0)
		return -1;
	c->given = now > before ? now - before : 0;
	return 0;
}

static void change_now(void *arg)
{
	struct change *c = arg;

	c->failed = change_pages(c) < 0;
}

/* Whatever cancels the fiber: who gives pages back must get to it. */
static int change(struct change *c, struct err *e)
{
	while (kernel.busy)
		(void)cond_wait_uncancellable(&kernel.idle, DEADLINE_NEVER);
	kernel.busy = true;
	work_run(change_now, c);
	kernel.busy = false;
	cond_wake_one(&kernel.idle);
	if (!c->failed)
		return 0;
	*e = c->e;
	return -1;
}

static void give_back(void *arg)
{
	struct reserved *r = arg;
	struct change less = { .file = r->file, .less = r->pages };
	struct err e = ERR_INIT;

	if (change(&less, &e) < 0)
		log_warn("huge pages stay set aside: %s", e.text);
	free(r->file);
	free(r);
}

int hugepages_reserve(const char *sys, char *const *option, size_t n, struct undo *u, struct err *e)
{
	uint64_t page_size, size;
	auto_free char *file = NULL;
	struct change more;
	struct reserved *r;

	if (read_bytes(option, n, "pagesize=", &page_size, e) < 0 ||
	    read_bytes(option, n, "size=", &size, e) < 0)
		return -1;
	file = xasprintf("%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", sys,
			 page_size / 1024);
	more = (struct change){ .file = file, .more = size / page_size };
	if (change(&more, e) < 0)
		return err_wrap(e, "huge pages of %" PRIu64 " bytes", page_size);
	r = xnew(struct reserved);
	*r = (struct reserved){ .file = take_ptr(file), .pages = more.given };
	/* The kernel takes any number and gives what it has: what it gave would be missing elsewhere. */
	if (more.given < more.more) {
		err_set(e, ERR_EXHAUSTED,
			"Only allocated %" PRIu64 " of %" PRIu64 " huge pages of %" PRIu64 " bytes",
			more.given, more.more, page_size);
		give_back(r);
		return -1;
	}
	undo_push(u, "huge pages", give_back, r);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a mount, separated by newlines. Whatever they are, flags hold no propagation, the data is no
 * longer than the kernel takes, and the words of the data, parsed again, are the same data.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/mount/options.h"
#include "common/base/mem.h"

#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char **split(const char *text, const char *separator)
{
	auto_free char *copy = xstrdup(text);
	char **words = NULL;
	char *rest = copy;

	for (char *word; (word = strsep(&rest, separator));)
		strv_add(&words, word);
	return words;
}

/* A word of the data may hold a comma, which mount(2) reads as two; and so do we. */
static void check_data(const struct mount_options *o)
{
	auto_strv char **words = split(o->data, ",");
	struct mount_options again;
	struct err e = ERR_INIT;

	if (strlen(o->data) >= (size_t)sysconf(_SC_PAGESIZE))
		abort();
	if (mount_options_parse(words, strv_len((const char *const *)words), &again, &e) == 0)
		mount_options_done(&again);
	else if (e.text[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv char **words = split(text, "\n");
	struct mount_options o;
	struct err e = ERR_INIT;

	if (mount_options_parse(words, strv_len((const char *const *)words), &o, &e) < 0) {
		if (e.text[0] == '\0')
			abort();
		return 0;
	}
	if ((o.flags & PROPAGATION) || (o.propagation & ~(unsigned long)(PROPAGATION | MS_REC)))
		abort();
	if (o.data)
		check_data(&o);
	mount_options_done(&o);
	return 0;
}

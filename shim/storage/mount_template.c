/* SPDX-License-Identifier: Apache-2.0 */
/* Templates in paths of mount lists; see mount_template.h. */
#include "shim/storage/mount_template.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

#define OPENING   "{{"
#define CLOSING   "}}"
#define BLANKS    " \t"
#define WORDS_MAX 3

static int read_index(const char *text, size_t n_before, size_t *ret, struct err *e)
{
	uint32_t value;

	if (!num_u32(text, 10, &value))
		return err_set(e, ERR_INVALID, "'%.40s' is no number of a mount", text);
	if (value >= n_before)
		return err_set(e, ERR_INVALID, "there is no mount %u before this one", value);
	*ret = value;
	return 0;
}

/* What stands between the braces. */
static int read_call(char *inside, size_t n_before, struct mount_path *p, struct err *e)
{
	const char *word[WORDS_MAX] = { "", "", "" };
	char *rest = inside, *next;
	size_t n = 0;

	while ((next = strsep(&rest, BLANKS))) {
		if (!*next)
			continue;
		if (n == WORDS_MAX)
			return err_set(e, ERR_INVALID, "it has too many words");
		word[n++] = next;
	}
	if (n == 2 && strcmp(word[0], "mount") == 0) {
		if (read_index(word[1], n_before, &p->first, e) < 0)
			return -1;
		p->last = p->first;
		return 0;
	}
	if (n == 3 && strcmp(word[0], "overlay") == 0) {
		if (read_index(word[1], n_before, &p->first, e) < 0)
			return -1;
		return read_index(word[2], n_before, &p->last, e);
	}
	return err_set(e, ERR_INVALID, "'%.40s' is not understood", word[0]);
}

int mount_path_parse(const char *text, size_t n_before, struct mount_path *ret, struct err *e)
{
	struct mount_path p = { .rest = text };
	auto_free char *inside = NULL;
	const char *end;

	if (!strstr(text, OPENING)) {
		*ret = p;
		return 0;
	}
	end = strstr(text, CLOSING);
	if (strncmp(text, OPENING, strlen(OPENING)) != 0 || !end || strstr(end, OPENING))
		return err_set(e, ERR_INVALID, "template '%.200s': is not understood", text);
	inside = xstrndup(text + strlen(OPENING), (size_t)(end - text) - strlen(OPENING));
	if (read_call(inside, n_before, &p, e) < 0)
		return err_wrap(e, "template '%.200s'", text);
	p.is_template = true;
	p.rest = end + strlen(CLOSING);
	p.rest += strspn(p.rest, "/");
	*ret = p;
	return 0;
}

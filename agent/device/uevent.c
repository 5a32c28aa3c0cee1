/* SPDX-License-Identifier: Apache-2.0 */
/* Device events of the kernel, from bytes; see uevent.h. */
#include "agent/device/uevent.h"

#include <stddef.h>
#include <string.h>

#include "common/base/cleanup.h"

static const struct {
	const char *key;
	size_t offset;
} fields[] = {
	{ "ACTION=", offsetof(struct uevent, action) },
	{ "DEVNAME=", offsetof(struct uevent, devname) },
	{ "DEVPATH=", offsetof(struct uevent, devpath) },
	{ "INTERFACE=", offsetof(struct uevent, interface) },
	{ "SUBSYSTEM=", offsetof(struct uevent, subsystem) },
};

static void take_field(struct uevent *u, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		size_t len = strlen(fields[i].key);

		if (strncmp(word, fields[i].key, len) == 0)
			*(const char **)(void *)((char *)u + fields[i].offset) = word + len;
	}
}

/* The string at *at, and *at behind it; NULL: there is no whole one left. */
static const char *next_word(const char *message, size_t len, size_t *at)
{
	const char *word = message + *at;
	const char *end = memchr(word, '\0', len - *at);

	if (!end)
		return NULL;
	*at += (size_t)(end - word) + 1;
	return word;
}

bool uevent_parse(const char *message, size_t len, struct uevent *ret)
{
	struct uevent u = { "", "", "", "", "" };
	const char *word;
	size_t at = 0;

	if (len > UEVENT_MESSAGE_MAX)
		return false;
	/* The header repeats what follows; udevd's own messages, which have another, are not for us. */
	word = next_word(message, len, &at);
	if (!word || !strchr(word, '@'))
		return false;
	while (at < len && (word = next_word(message, len, &at)))
		take_field(&u, word);
	if (!u.action[0] || u.devpath[0] != '/')
		return false;
	*ret = u;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What `delete` has to know of a network; see record.h. */
#include "shim/net/record.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/json/json.h"

#define RECORD_FILE     "network.json"
#define RECORD_FILE_MAX (16u << 10) /* bytes */

static const struct json_field fields[] = {
	{ "netns", JSON_STRING, offsetof(struct net_record, netns), .flags = JSON_REQUIRED },
	{ "links", JSON_STRINGS, offsetof(struct net_record, links), .flags = 0 },
	{ .key = NULL },
};

int net_record_write(const char *dir, const struct net_record *r, struct err *e)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *text =
		json_object("s:netns", r->netns, "v:links", (const char *const *)r->links, NULL);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	return file_replace(fd, RECORD_FILE, text, strlen(text), e);
}

int net_record_read(const char *dir, struct net_record *ret, struct err *e)
{
	auto_free char *path = path_join(dir, RECORD_FILE);
	auto_json struct json *v = NULL;
	auto_free char *text = NULL;
	struct err why = ERR_INIT;
	struct net_record r = { .netns = NULL };
	size_t len;

	if (file_read(AT_FDCWD, path, RECORD_FILE_MAX, &text, &len, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	if (json_parse(text, len, &v, e) < 0 || json_read(v, "", fields, &r, e) < 0)
		return err_wrap(e, "'%s'", path);
	*ret = r;
	return 1;
}

void net_record_done(struct net_record *r)
{
	json_release(fields, r);
}

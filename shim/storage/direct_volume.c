/* SPDX-License-Identifier: Apache-2.0 */
/* mountInfo.json of directly assigned volumes; see direct_volume.h. */
#include "shim/storage/direct_volume.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "common/json/json.h"

#define INFO_MAX 65536u /* bytes */

struct info {
	char *type, *device, *fstype;
	char **options;
	struct json_map metadata;
};

static const char *const types[] = { "block", "directvol", NULL };

static const struct json_field fields[] = {
	{ "volume-type", JSON_STRING, offsetof(struct info, type), .flags = JSON_REQUIRED,
	  .words = types },
	{ "device", JSON_STRING, offsetof(struct info, device),
	  .flags = JSON_REQUIRED | JSON_NONEMPTY },
	{ "fstype", JSON_STRING, offsetof(struct info, fstype),
	  .flags = JSON_REQUIRED | JSON_NONEMPTY },
	{ "options", JSON_STRINGS, offsetof(struct info, options), .flags = 0 },
	{ "metadata", JSON_STRING_MAP, offsetof(struct info, metadata), .flags = 0 },
	{ .key = NULL },
};

/* RFC 4648, the alphabet for file names, with padding. */
static char *base64url(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(text);
	struct buf b = BUF_INIT;

	buf_add(&b, "", 0);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)text[i] << 16;
		char quad[4];

		v |= i + 1 < len ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
		v |= i + 2 < len ? (uint32_t)(uint8_t)text[i + 2] : 0;
		for (unsigned k = 0; k < 4; k++)
			quad[k] = i + k > len ? '=' : digits[v >> (18 - 6 * k) & 63];
		buf_add(&b, quad, sizeof(quad));
	}
	return b.data;
}

static int take_metadata(const struct json_map *m, struct direct_volume *v, struct err *e)
{
	const char *group = json_map_get(m, "fsGroup");
	const char *policy = json_map_get(m, "fsGroupChangePolicy");
	const char *create = json_map_get(m, "createFilesystem");

	if (json_map_get(m, "encryptionKey"))
		return err_set(e, ERR_UNSUPPORTED,
			       "metadata.encryptionKey: encrypted volumes are not supported");
	v->create_file_system = create && strcmp(create, "true") == 0;
	v->has_group = group != NULL;
	if (group && !num_u32(group, 10, &v->group))
		return err_set(e, ERR_INVALID, "metadata.fsGroup: '%.40s' is no group", group);
	v->group_if_other = policy && strcmp(policy, "OnRootMismatch") == 0;
	return 0;
}

int direct_volume_parse(const char *text, size_t len, struct direct_volume *ret, struct err *e)
{
	struct info info = { .type = NULL };
	auto_json struct json *root = NULL;
	struct direct_volume v = { .device = NULL };

	if (json_parse(text, len, &root, e) < 0 || json_read(root, "", fields, &info, e) < 0)
		return -1;
	if (take_metadata(&info.metadata, &v, e) < 0 ||
	    (info.device[0] != '/' &&
	     err_set(e, ERR_INVALID, "device: '%.200s' is no absolute path", info.device) < 0)) {
		json_release(fields, &info);
		return -1;
	}
	v.device = take_ptr(info.device);
	v.fstype = take_ptr(info.fstype);
	v.options = take_ptr(info.options);
	for (size_t i = 0; v.options && v.options[i]; i++)
		v.read_only = v.read_only || strcmp(v.options[i], "ro") == 0;
	json_release(fields, &info);
	*ret = v;
	return 0;
}

int direct_volume_find(const char *dir, const char *source, struct direct_volume *ret,
		       struct err *e)
{
	auto_free char *name = base64url(source);
	auto_free char *path = xasprintf("%s/%s/mountInfo.json", dir, name);
	auto_free char *text = NULL;
	struct err why = ERR_INIT;
	size_t len;

	if (file_read(AT_FDCWD, path, INFO_MAX, &text, &len, &why) < 0) {
		/* Most paths have none, and are longer than a name can be. */
		if (why.sys == ENOENT || why.sys == ENOTDIR || why.sys == ENAMETOOLONG)
			return 0;
		*e = why;
		return -1;
	}
	if (direct_volume_parse(text, len, ret, e) < 0)
		return err_wrap(e, "'%s'", path);
	return 1;
}

void direct_volume_done(struct direct_volume *v)
{
	free(v->device);
	free(v->fstype);
	strv_free(v->options);
	*v = (struct direct_volume){ .device = NULL };
}

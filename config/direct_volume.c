/* SPDX-License-Identifier: Apache-2.0 */
/* mountInfo.json of directly assigned volumes; see direct_volume.h. */
#include "config/direct_volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "common/json/json.h"

#define INFO_MAX  65536u /* bytes */
#define INFO_FILE "mountInfo.json"
#define USER_MAX  512u /* bytes: "<namespace>/<id>" */

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

static char *directory_of(const char *dir, const char *source)
{
	auto_free char *name = base64url(source);

	return path_join(dir, name);
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
	auto_free char *volume = directory_of(dir, source);
	auto_free char *path = path_join(volume, INFO_FILE);
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

/* What is said of a path whose owner is not husk: nothing of it is followed out of its place. */
static int open_directory(const char *dir, const char *source, struct err *e)
{
	auto_free char *path = directory_of(dir, source);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "'%s' is no direct volume", source)
			       : err_sys(e, errno, "open '%s'", path);
}

static int put_file(int dirfd, const char *name, const char *text, struct err *e)
{
	return file_replace(dirfd, name, text, strlen(text), e);
}

int direct_volume_add(const char *dir, const char *source, const char *text, struct err *e)
{
	auto_free char *path = directory_of(dir, source);
	auto_direct_volume struct direct_volume v = { .device = NULL };
	auto_close int fd = -1;

	if (!path_is_clean(source))
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", source);
	if (direct_volume_parse(text, strlen(text), &v, e) < 0)
		return err_wrap(e, "mount info");
	if (path_mkdirs(dir, 0700, e) < 0 || path_mkdirs(path, 0700, e) < 0)
		return -1;
	fd = open_directory(dir, source, e);
	return fd < 0 ? -1 : put_file(fd, INFO_FILE, text, e);
}

int direct_volume_remove(const char *dir, const char *source, struct err *e)
{
	auto_free char *path = directory_of(dir, source);
	auto_close int fd = open_directory(dir, source, e);

	return fd < 0 ? -1 : path_remove_tree(AT_FDCWD, path, e);
}

int direct_volume_set_user(const char *dir, const char *source, const char *sandbox, struct err *e)
{
	auto_close int fd = open_directory(dir, source, e);

	return fd < 0 ? -1 : put_file(fd, path_base(sandbox), sandbox, e);
}

int direct_volume_clear_user(const char *dir, const char *source, const char *sandbox,
			     struct err *e)
{
	auto_close int fd = open_directory(dir, source, e);

	if (fd < 0)
		return -1;
	if (unlinkat(fd, path_base(sandbox), 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s' from '%s'", path_base(sandbox), source);
	return 0;
}

int direct_volume_users(const char *dir, const char *source, char ***ret, struct err *e)
{
	auto_close int fd = open_directory(dir, source, e);
	const struct dirent *entry;
	DIR *list;

	if (fd < 0)
		return -1;
	list = fdopendir(fd);
	if (!list)
		return err_sys(e, errno, "list the users of '%s'", source);
	fd = -1; /* the list's */
	*ret = NULL;
	while ((entry = readdir(list))) {
		auto_free char *text = NULL;
		struct err why = ERR_INIT;
		size_t len;

		if (entry->d_name[0] == '.' || strcmp(entry->d_name, INFO_FILE) == 0)
			continue;
		if (file_read(dirfd(list), entry->d_name, USER_MAX, &text, &len, &why) < 0)
			continue;                              /* gone meanwhile */
		strv_add(ret, len > 0 ? text : entry->d_name); /* Kata's hosts leave it empty */
	}
	(void)closedir(list);
	return 0;
}

void direct_volume_done(struct direct_volume *v)
{
	free(v->device);
	free(v->fstype);
	strv_free(v->options);
	*v = (struct direct_volume){ .device = NULL };
}

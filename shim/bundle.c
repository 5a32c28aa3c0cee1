/* SPDX-License-Identifier: Apache-2.0 */
/* Files in the bundle; see bundle.h. */
#include "shim/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/json/json.h"

#define ADDRESS_SCHEME "unix://"

/* Whose pod it is, in the order in which they count (containerd-shim.md 1.10). */
static const char *const group_keys[] = {
	"io.containerd.runc.v2.group",
	"io.kubernetes.cri.sandbox-id",
	"io.kubernetes.cri-o.SandboxID",
};

int bundle_group_id(const char *bundle, const char *id, char **ret, struct err *e)
{
	auto_free char *path = path_join(bundle, "config.json");
	auto_json struct json *spec = NULL;
	auto_free char *text = NULL;
	struct err why = ERR_INIT;
	const char *group = NULL;
	size_t len;

	if (file_read(AT_FDCWD, path, JSON_TEXT_MAX, &text, &len, &why) < 0) {
		if (why.code != ERR_NOT_FOUND) {
			*e = why;
			return -1;
		}
		*ret = xstrdup(id);
		return 0;
	}
	if (json_parse(text, len, &spec, e) < 0)
		return err_wrap(e, "'%s'", path);
	for (size_t i = 0; i < ARRAY_LEN(group_keys) && !group; i++)
		group = json_string(json_get(spec, "annotations", group_keys[i]));
	if (!group || group[0] == '\0')
		group = id;
	if (id_check("sandbox id", group, e) < 0)
		return err_wrap(e, "'%s'", path);
	*ret = xstrdup(group);
	return 0;
}

static int replace_in(const char *bundle, const char *name, const char *text, struct err *e)
{
	auto_close int fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open bundle '%s'", bundle);
	return file_replace(fd, name, text, strlen(text), e);
}

int bundle_write_address(const char *bundle, const char *socket_path, struct err *e)
{
	auto_free char *text = xasprintf(ADDRESS_SCHEME "%s", socket_path);

	return replace_in(bundle, "address", text, e);
}

int bundle_write_pid(const char *bundle, pid_t shim, struct err *e)
{
	auto_free char *text = xasprintf("%d", (int)shim);

	return replace_in(bundle, "shim.pid", text, e);
}

char *bundle_read_address(const char *bundle)
{
	auto_free char *path = path_join(bundle, "address");
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	if (file_read_line(AT_FDCWD, path, &text, &e) < 0 ||
	    strncmp(text, ADDRESS_SCHEME, strlen(ADDRESS_SCHEME)) != 0)
		return NULL;
	return xstrdup(text + strlen(ADDRESS_SCHEME));
}

int bundle_open_log(const char *bundle)
{
	auto_free char *path = path_join(bundle, "log");
	auto_close int fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -1;
	return take_fd(&fd);
}

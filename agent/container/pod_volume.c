/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the pod's volumes; see pod_volume.h. */
#include "agent/container/pod_volume.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

bool pod_volume_is_part(const char *dir, const char *path, size_t *ret_len)
{
	static const char *const kinds[] = { "/ephemeral/", "/local/" };
	size_t dir_len = strlen(dir);

	if (dir_len == 0 || strncmp(path, dir, dir_len) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t kind_len = strlen(kinds[i]);
		size_t name_len;

		if (strncmp(path + dir_len, kinds[i], kind_len) != 0)
			continue;
		name_len = strcspn(path + dir_len + kind_len, "/");
		*ret_len = dir_len + kind_len + name_len;
		return name_len > 0 && path[*ret_len + strspn(path + *ret_len, "/")] != '\0';
	}
	return false;
}

static int make(int volume, const char *part, struct err *e)
{
	auto_close int fd = path_mkdirs_in_root(volume, part, 0755, e);
	char link[FD_PATH_MAX];
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(volume, &st) < 0 || chown(fd_path(fd, link), st.st_uid, st.st_gid) < 0 ||
	    chmod(link, st.st_mode & 07777) < 0)
		return err_sys(e, errno, "set owner and mode of '%s'", part);
	return take_fd(&fd);
}

static int open_or_make(int volume, const char *part, struct err *e)
{
	int fd = path_open_in_root(volume, part, O_PATH, 0, e);

	if (fd >= 0 || e->sys != ENOENT)
		return fd;
	*e = ERR_INIT;
	return make(volume, part, e);
}

int pod_volume_open_part(const char *path, size_t volume_len, struct err *e)
{
	auto_free char *name = xstrndup(path, volume_len);
	auto_free char *part = xstrdup(path + volume_len + strspn(path + volume_len, "/"));
	auto_close int volume = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int fd = -1;

	if (volume < 0)
		return err_sys(e, errno, "open the volume '%s'", name);
	/* One at a time: whichever is made is to have the volume's mode and group. */
	for (char *end = part; *end;) {
		char saved;
		int next;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		saved = *end;
		*end = '\0';
		next = open_or_make(volume, part, e);
		if (next < 0)
			return -1;
		*end = saved;
		if (fd >= 0)
			(void)close(fd);
		fd = next;
	}
	return take_fd(&fd);
}

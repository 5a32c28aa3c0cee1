/* SPDX-License-Identifier: Apache-2.0 */
/* PATH lookup; see program.h. */
#include "agent/process/program.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"

/* For a container whose environment has none; what the OCI image tools write into images. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* 0 or an errno. Asked with the effective ids, those of the program to be. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return EACCES;
	return 0;
}

static int fail(struct err *e, const char *name, int sys)
{
	const char *why = sys == ENOENT || sys == ENOTDIR ? "no such file or directory"
			  : sys == EISDIR                 ? "is a directory"
			  : sys == EACCES || sys == EPERM ? "permission denied"
							  : strerror(sys);

	err_set(e, sys == EACCES || sys == EISDIR ? ERR_DENIED : ERR_NOT_FOUND, "exec: \"%s\": %s",
		name, why);
	e->sys = sys;
	return -1;
}

static const char *path_of(char *const *env)
{
	for (; env && *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_PATH;
}

char *program_find(const char *name, char *const *env, struct err *e)
{
	int sys;

	if (strlen(name) >= PATH_MAX) {
		fail(e, "...", ENAMETOOLONG);
		return NULL;
	}
	if (strchr(name, '/')) {
		sys = check_executable(name);
		if (sys != 0) {
			fail(e, name, sys);
			return NULL;
		}
		return xstrdup(name);
	}
	for (const char *dir = path_of(env);;) {
		size_t len = strcspn(dir, ":");
		/* An empty entry is the working directory (exec(3)). */
		auto_free char *path =
			len == 0 ? xasprintf("./%s", name)
				 : xasprintf("%.*s/%s", (int)(len < PATH_MAX ? len : PATH_MAX), dir,
					     name);

		if (check_executable(path) == 0)
			return take_ptr(path);
		if (dir[len] == '\0')
			break;
		dir += len + 1;
	}
	err_set(e, ERR_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
	e->sys = ENOENT;
	return NULL;
}

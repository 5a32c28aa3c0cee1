/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor and SELinux; see lsm.h. */
#include "agent/confine/lsm.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define LABEL_MAX 4096 /* bytes: the kernel takes a page at most */

const char *lsm_name(enum lsm which)
{
	return which == LSM_APPARMOR ? "AppArmor" : "SELinux";
}

bool lsm_active(const char *sys, enum lsm which)
{
	auto_free char *path =
		path_join(sys, which == LSM_APPARMOR ? "module/apparmor/parameters/enabled"
						     : "fs/selinux");
	auto_free char *line = NULL;
	struct err ignored = ERR_INIT;

	/* The kernel makes this directory only where it has SELinux switched on. */
	if (which == LSM_SELINUX)
		return access(path, F_OK) == 0;
	return file_read_line(AT_FDCWD, path, &line, &ignored) == 0 && strcmp(line, "Y") == 0;
}

int lsm_open_exec(const char *proc_self, enum lsm which, struct err *e)
{
	auto_free char *own = path_join(proc_self, "attr/apparmor/exec");
	auto_free char *shared = path_join(proc_self, "attr/exec");
	int fd = -1;

	/* Kernels before 5.8 have only the one that all modules share. */
	if (which == LSM_APPARMOR)
		fd = open(own, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fd = open(shared, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open '%s'", shared) : fd;
}

int lsm_set_exec(int fd, enum lsm which, const char *label, struct err *e)
{
	auto_free char *text = which == LSM_APPARMOR ? xasprintf("exec %s", label) : xstrdup(label);
	size_t len = strlen(text);
	int sys;

	if (len >= LABEL_MAX)
		return err_set(e, ERR_INVALID, "a label of %s of %zu bytes", lsm_name(which), len);
	if (write(fd, text, len) == (ssize_t)len)
		return 0;
	sys = errno;
	err_sys(e, sys, "%s '%s'", which == LSM_APPARMOR ? "AppArmor profile" : "SELinux label",
		label);
	if (sys == EINVAL)
		e->code = ERR_INVALID;
	return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The container's root: mounted on itself, entered, and closed off from the guest's tree. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/container/detached.h"
#include "agent/container/mount_attr.h"
#include "agent/container/mountinfo.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* What is asked of the root's propagation; 0: nothing. */
static int propagation_of(const struct stage *s, uint64_t *ret, struct err *e)
{
	auto_mount_attrs struct mount_attrs a = { .fs = NULL };
	char *wanted = s->linux_spec->rootfspropagation;

	*ret = 0;
	if (!wanted[0])
		return 0;
	if (mount_attrs_parse(&wanted, 1, &a, e) < 0)
		return err_wrap(e, "root file system propagation");
	if (!a.propagation)
		return err_set(e, ERR_INVALID, "'%s' is no propagation of a root file system",
			       wanted);
	*ret = a.propagation;
	return 0;
}

int rootfs_prepare(struct stage *s, struct err *e)
{
	const char *path = s->req->rootfs;
	auto_close int onto = -1;
	uint64_t wanted;

	if (propagation_of(s, &wanted, e) < 0)
		return -1;
	/* What the guest unmounts must go here too; what is mounted here must not get out. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make '/' a slave");
	onto = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (onto < 0)
		return err_sys(e, errno, "open '%s'", path);
	s->rootfd = detached_clone(onto, "", true, e);
	if (s->rootfd < 0)
		return err_wrap(e, "'%s'", path);
	/* pivot_root(2) refuses shared mounts; one that is to get what the guest mounts below stays a
	 * slave of it. */
	if (detached_set(s->rootfd, true, 0, 0,
			 wanted & (MS_SLAVE | MS_SHARED) ? MS_SLAVE : MS_PRIVATE, e) < 0)
		return -1;
	return detached_attach(s->rootfd, onto, e);
}

/* Missing for an init: made, as root's, as the OCI runtimes do. */
int rootfs_make_cwd(struct stage *s, struct err *e)
{
	auto_close int fd = path_mkdirs_in_root(s->rootfd, s->process->cwd, 0755, e);

	return fd < 0 ? -1 : 0;
}

static int pivot(struct stage *s, struct err *e)
{
	auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return err_sys(e, errno, "open '/'");
	if (fchdir(s->rootfd) < 0)
		return err_sys(e, errno, "fchdir");
	/* Both arguments the same: the old root ends up on top of the new one (pivot_root(2)). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "pivot_root");
	if (fchdir(old) < 0)
		return err_sys(e, errno, "fchdir to the old root");
	if (mount(NULL, ".", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make the old root a slave");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "unmount the old root");
	return 0;
}

/*
 * The initramfs cannot be pivoted away from, so the new root is moved on top of it. Mounted root on
 * root, ".." does not lead below it. All that is mounted in the old tree is taken out of this
 * namespace first, or a container would keep devices of another one busy.
 */
static int move_over(struct stage *s, struct err *e)
{
	auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **mounted = NULL;

	if (old < 0)
		return err_sys(e, errno, "open '/'");
	if (mountinfo_directly_below_root(&mounted, e) < 0)
		return -1;
	if (fchdir(s->rootfd) < 0)
		return err_sys(e, errno, "fchdir");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return err_sys(e, errno, "move the root file system to '/'");
	if (fchdir(old) < 0)
		return err_sys(e, errno, "fchdir to the old root");
	for (size_t i = strv_len((const char *const *)mounted); i-- > 0;) {
		const char *below = mounted[i] + strspn(mounted[i], "/");

		/* EINVAL: went with the one that it was mounted on. */
		if (umount2(below, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
		    errno != ENOENT)
			return err_sys(e, errno, "unmount the guest's '%s'", mounted[i]);
	}
	if (fchdir(s->rootfd) < 0)
		return err_sys(e, errno, "fchdir");
	if (chroot(".") < 0)
		return err_sys(e, errno, "chroot");
	return 0;
}

int rootfs_enter(struct stage *s, struct err *e)
{
	if (s->req->no_pivot ? move_over(s, e) < 0 : pivot(s, e) < 0)
		return -1;
	if (chdir("/") < 0)
		return err_sys(e, errno, "chdir '/'");
	return 0;
}

int rootfs_finish(struct stage *s, struct err *e)
{
	uint64_t readonly = s->spec->root && s->spec->root->readonly ? MOUNT_ATTR_RDONLY : 0;
	uint64_t propagation;

	if (propagation_of(s, &propagation, e) < 0)
		return -1;
	return detached_set(s->rootfd, false, readonly, 0, propagation, e);
}

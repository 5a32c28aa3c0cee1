/* SPDX-License-Identifier: Apache-2.0 */
/* What a crashed shim left, found from its state directory alone; see sandbox.h. */
#include "shim/sandbox/clean_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "hypervisor/hypervisor.h"
#include "shim/net/network.h"
#include "shim/sandbox/host_cgroup.h"
#include "shim/sandbox/sandbox.h"
#include "shim/storage/mount.h"

static void dir_close(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int remove_entries(const struct directory *d, struct err *e)
{
	CLEANUP(dir_close) DIR *dir = opendir(d->path);
	const struct dirent *entry;

	if (!dir)
		return err_sys(e, errno, "open '%s'", d->path);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    path_remove_tree(d->fd, entry->d_name, e) < 0)
			return -1;
	return 0;
}

int clean_up_contents(struct directory *d, struct err *e)
{
	auto_free char *run_dir = path_join(d->path, "vm");

	/* In this order: a process that is gone holds no mount and no cgroup. */
	if (hv_clean_up(run_dir, e) < 0 || network_clean_up(d->path, e) < 0 ||
	    mount_detach_below(d->path, e) < 0)
		return err_wrap(e, "clean up '%s'", d->path);
	host_cgroup_remove(d);
	if (remove_entries(d, e) < 0)
		return err_wrap(e, "clean up '%s'", d->path);
	return 0;
}

int sandbox_clean_up(const char *state_dir, const char *ns, const char *id, struct err *e)
{
	struct directory d = DIRECTORY_NONE;
	int found;

	if (id_check("namespace", ns, e) < 0 || id_check("sandbox id", id, e) < 0)
		return -1;
	found = directory_lock(state_dir, ns, id, &d, e);
	if (found <= 0)
		return found;
	log_info("sandbox '%s' was left by a crash: cleaning up", id);
	/* What is left of it is known by its files alone: they go last. */
	if (clean_up_contents(&d, e) < 0) {
		directory_release(&d);
		return -1;
	}
	directory_remove(&d);
	return 0;
}

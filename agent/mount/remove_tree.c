/* SPDX-License-Identifier: Apache-2.0 */
/* Directories with all that is in them; see remove_tree.h. */
#include "agent/mount/remove_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/path.h"

struct removal {
	const char *path;
	struct err e;
	int r;
};

static void remove_now(void *arg)
{
	struct removal *w = arg;

	w->r = path_remove_tree(AT_FDCWD, w->path, &w->e);
}

int remove_tree(const char *path, struct err *e)
{
	struct removal w = { .path = path, .e = ERR_INIT };

	/* Most are empty: a pool that is not used has no threads to start. */
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	work_run(remove_now, &w);
	if (w.r < 0)
		*e = w.e;
	return w.r;
}

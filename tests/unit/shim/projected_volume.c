/* SPDX-License-Identifier: Apache-2.0 */
/* What a kubelet projects, in a temporary directory; see projected_volume.h. */
#include "tests/unit/shim/projected_volume.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

struct projected_volume volume;

int volume_set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)snprintf(volume.kubelet, sizeof(volume.kubelet), "/tmp/husk-kubelet-XXXXXX");
	if (!mkdtemp(volume.kubelet))
		return -1;
	volume.path = path_join(volume.kubelet, "pods/u/volumes/kubernetes.io~configmap/c");
	return path_mkdirs(volume.path, 0755, &e);
}

int volume_tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(volume.path);
	return path_remove_tree(AT_FDCWD, volume.kubelet, &e);
}

void volume_file(const char *name, const char *text, mode_t mode)
{
	auto_free char *path = path_join(volume.path, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
		abort();
}

void volume_dir(const char *name, mode_t mode)
{
	auto_free char *path = path_join(volume.path, name);

	if (mkdir(path, 0700) < 0 || chmod(path, mode) < 0)
		abort();
}

void volume_link(const char *name, const char *target)
{
	auto_free char *path = path_join(volume.path, name);

	if (symlink(target, path) < 0)
		abort();
}

/* Called from threads of tests too: no assertions. */
void volume_switch(unsigned number, unsigned files)
{
	auto_free char *set = xasprintf("..%u", number);
	auto_free char *dir = xasprintf("%s/dir", set);
	auto_free char *in_dir = xasprintf("%s/file", dir);
	auto_free char *text = xasprintf("%u", number);
	auto_free char *tmp = path_join(volume.path, "..data_tmp");
	auto_free char *shown = path_join(volume.path, "..data");
	struct err e = ERR_INIT;
	char old[32] = "";

	volume_dir(set, 0755);
	volume_dir(dir, 0750);
	volume_file(in_dir, text, 0400);
	for (unsigned i = 0; i < files; i++) {
		auto_free char *name = xasprintf("%s/file-%u", set, i);

		volume_file(name, text, 0640);
	}
	(void)!readlink(shown, old, sizeof(old) - 1);
	volume_link("..data_tmp", set);
	if (rename(tmp, shown) < 0)
		abort();
	if (old[0]) {
		auto_free char *gone = path_join(volume.path, old);

		if (path_remove_tree(AT_FDCWD, gone, &e) < 0)
			abort();
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of devices in a temporary directory; see device_tree.h. */
#include "tests/unit/agent/device_tree.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"

static void make_directory(const char *path)
{
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(path, 0755, &e), &e);
}

void device_tree_make(struct device_tree *t)
{
	(void)snprintf(t->root, sizeof(t->root), "/tmp/husk-devices-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	(void)snprintf(t->sys, sizeof(t->sys), "%s/sys", t->root);
	(void)snprintf(t->dev, sizeof(t->dev), "%s/dev", t->root);
	make_directory(t->sys);
	make_directory(t->dev);
}

void device_tree_remove(struct device_tree *t)
{
	struct err e = ERR_INIT;

	assert_ok(path_remove_tree(AT_FDCWD, t->root, &e), &e);
}

void device_tree_add(const struct device_tree *t, const char *devpath)
{
	auto_free char *path = path_join(t->sys, devpath);

	make_directory(path);
}

static void add_to_class(const struct device_tree *t, const char *class, const char *devpath)
{
	auto_free char *dir = xasprintf("%s/class/%s", t->sys, class);
	auto_free char *link = path_join(dir, path_base(devpath));
	auto_free char *target = xasprintf("../..%s", devpath);

	device_tree_add(t, devpath);
	make_directory(dir);
	assert_int_equal(symlink(target, link), 0);
}

void device_tree_add_node(const struct device_tree *t, const char *name)
{
	auto_free char *path = path_join(t->dev, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

void device_tree_add_disk(const struct device_tree *t, const char *devpath, bool node)
{
	add_to_class(t, "block", devpath);
	if (node)
		device_tree_add_node(t, path_base(devpath));
}

void device_tree_add_net(const struct device_tree *t, const char *devpath)
{
	add_to_class(t, "net", devpath);
}

void device_tree_drop_disk(const struct device_tree *t, const char *name)
{
	auto_free char *link = xasprintf("%s/class/block/%s", t->sys, name);

	assert_int_equal(unlink(link), 0);
}

static void add_word(struct buf *b, const char *key, const char *between, const char *value)
{
	buf_addf(b, "%s%s%s", key, between, value);
	buf_add(b, "", 1);
}

char *device_tree_event(const char *action, const char *subsystem, const char *devpath,
			size_t *ret_len)
{
	const char *key = strcmp(subsystem, "net") == 0 ? "INTERFACE" : "DEVNAME";
	struct buf b = BUF_INIT;

	add_word(&b, action, "@", devpath);
	add_word(&b, "ACTION", "=", action);
	add_word(&b, "DEVPATH", "=", devpath);
	add_word(&b, "SUBSYSTEM", "=", subsystem);
	add_word(&b, key, "=", path_base(devpath));
	add_word(&b, "SEQNUM", "=", "1201");
	*ret_len = b.len;
	return b.data;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_DEVICE_TREE_H
#define HUSK_TESTS_DEVICE_TREE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A temporary directory in the place of /sys and /dev, with trees as the kernel makes them: the
 * directory of a device, and the link to it in /sys/class.
 */
struct device_tree {
	char root[64];
	char sys[80], dev[80];
};

void device_tree_make(struct device_tree *t);
void device_tree_remove(struct device_tree *t);

/* The directory of `devpath` and those above it. */
void device_tree_add(const struct device_tree *t, const char *devpath);

/* The same, with a link /sys/class/<class>/<name> to it and, for a disk, an (empty) node. */
void device_tree_add_disk(const struct device_tree *t, const char *devpath, bool node);
void device_tree_add_net(const struct device_tree *t, const char *devpath);
void device_tree_add_node(const struct device_tree *t, const char *name);
void device_tree_drop_disk(const struct device_tree *t, const char *name);

/* The kernel's message about it; *ret_len bytes, for free(). */
char *device_tree_event(const char *action, const char *subsystem, const char *devpath,
			size_t *ret_len);

#endif

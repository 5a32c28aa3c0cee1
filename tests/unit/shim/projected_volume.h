/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_PROJECTED_VOLUME_H
#define HUSK_TESTS_PROJECTED_VOLUME_H

#include <sys/types.h>

/*
 * A kubelet's directory in a temporary one for each test, and in it the pod "u" with a configMap "c",
 * written as the kubelet's atomic writer does it.
 */
struct projected_volume {
	char kubelet[64];
	char *path; /* of the volume; owned */
};
extern struct projected_volume volume;

int volume_set_up(void **state);
int volume_tear_down(void **state);

/* A file, directory or link in the volume. */
void volume_file(const char *name, const char *text, mode_t mode);
void volume_dir(const char *name, mode_t mode);
void volume_link(const char *name, const char *target);

/*
 * The next set, in place of the one before: `files` files file-0, file-1, ..., and dir/file, each with
 * `number` as its text.
 */
void volume_switch(unsigned number, unsigned files);

#endif

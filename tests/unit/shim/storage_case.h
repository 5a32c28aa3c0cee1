/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_STORAGE_CASE_H
#define HUSK_TESTS_STORAGE_CASE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/undo.h"
#include "shim/storage/share.h"

/*
 * A share for each test, in a tmpfs of its own, in a mount namespace of the group's own. Needs root;
 * otherwise the tests skip themselves with SKIP_UNLESS_ROOT(). What a test leaves on the undo list is
 * undone, and what is still there then is a failure.
 */
struct storage_case {
	bool skip;
	char dir[64];
	struct undo undo;
	struct share share;
};
extern struct storage_case t;

int group_set_up(void **state);
int set_up(void **state);
int tear_down(void **state);

#define SKIP_UNLESS_ROOT()      \
	do {                    \
		if (t.skip) {   \
			skip(); \
		}               \
	} while (0)

/* Members of specs are char *, literals are not. */
#define W(s) ((char *)(uintptr_t)(s))

/* Below the test's directory. */
char *in_dir(const char *name); /* for free() */
void make_dir(const char *name);
void make_file(const char *name, const char *text);

unsigned count_mounts(const char *below);

/*
 * A process that does with the share what virtiofsd does: a mount namespace of its own, propagation
 * from ours, its root the exported directory. It stops, then looks whether `path` has `text` in it, and
 * tries to write there if asked to. Its exit code: 0 found, 1 not found, 2 found but not writable.
 */
pid_t start_exporter(const char *path, const char *text, bool try_write);
void wait_until_stopped(pid_t pid);
int result_of(pid_t pid); /* after it was let go */

#endif

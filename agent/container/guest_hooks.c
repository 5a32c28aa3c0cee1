/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of the guest image; see guest_hooks.h. */
#include "agent/container/guest_hooks.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define HOOKS_MAX 64u /* in one directory: each runs for every container */

static int is_hook(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void entries_free(struct dirent **entry, int n)
{
	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(entry);
}

static int scan_one(const char *dir, const char *kind, char ***ret, struct err *e)
{
	auto_free char *path = path_join(dir, kind);
	struct dirent **entry = NULL;
	int n = scandir(path, &entry, is_hook, alphasort);

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read '%s'", path);
	for (int i = 0; i < n; i++) {
		auto_free char *file = path_join(path, entry[i]->d_name);
		struct stat st;

		if (lstat(file, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
			continue;
		if (strv_len((const char *const *)*ret) >= HOOKS_MAX) {
			entries_free(entry, n);
			return err_set(e, ERR_EXHAUSTED, "'%s' has more than %u hooks", path,
				       HOOKS_MAX);
		}
		strv_add(ret, file);
	}
	entries_free(entry, n);
	return 0;
}

int guest_hooks_scan(const char *dir, struct guest_hooks *ret, struct err *e)
{
	struct guest_hooks h = { .prestart = NULL };

	if (dir[0] != '/')
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", dir);
	if (scan_one(dir, "prestart", &h.prestart, e) < 0 ||
	    scan_one(dir, "poststart", &h.poststart, e) < 0 ||
	    scan_one(dir, "poststop", &h.poststop, e) < 0) {
		guest_hooks_done(&h);
		return -1;
	}
	*ret = h;
	return 0;
}

void guest_hooks_done(struct guest_hooks *h)
{
	strv_free(h->prestart);
	strv_free(h->poststart);
	strv_free(h->poststop);
	*h = (struct guest_hooks){ .prestart = NULL };
}

static void append(char *const *path, const char *kind, Grpc__Hook ***hooks, size_t *n_hooks)
{
	size_t n = strv_len((const char *const *)path);

	if (n == 0)
		return;
	*hooks = xrealloc(*hooks, (*n_hooks + n) * sizeof(Grpc__Hook *));
	for (size_t i = 0; i < n; i++) {
		Grpc__Hook *hook = xnew(Grpc__Hook);

		grpc__hook__init(hook);
		hook->path = xstrdup(path[i]);
		hook->n_args = 2;
		hook->args = xcalloc(2, sizeof(char *));
		hook->args[0] = xstrdup(path_base(path[i]));
		hook->args[1] = xstrdup(kind);
		(*hooks)[(*n_hooks)++] = hook;
	}
}

void guest_hooks_append(const struct guest_hooks *h, Grpc__Spec *spec)
{
	if (!h->prestart && !h->poststart && !h->poststop)
		return;
	if (!spec->hooks) {
		spec->hooks = xnew(Grpc__Hooks);
		grpc__hooks__init(spec->hooks);
	}
	append(h->prestart, "prestart", &spec->hooks->prestart, &spec->hooks->n_prestart);
	append(h->poststart, "poststart", &spec->hooks->poststart, &spec->hooks->n_poststart);
	append(h->poststop, "poststop", &spec->hooks->poststop, &spec->hooks->n_poststop);
}

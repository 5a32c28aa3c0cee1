/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.CgroupsPath in its two spellings; see cgroups_path.h. Pure. */
#include "common/oci/cgroups_path.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define UNIT_NAME_BYTES 255 /* systemd.unit(5) */
#define SLICE_SUFFIX    ".slice"
#define SCOPE_SUFFIX    ".scope"

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s);
	size_t m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* Something before the suffix, of what systemd.unit(5) allows; of no template. */
static bool is_unit_name(const char *name, const char *suffix)
{
	size_t len = strlen(name);

	return ends_with(name, suffix) && len > strlen(suffix) && len <= UNIT_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789:-_.\\") == len;
}

/* Those that systemd knows, of either version and of its own. */
static const char *const controllers[] = { "blkio",
					   "bpf-devices",
					   "bpf-firewall",
					   "bpf-foreign",
					   "bpf-socket-bind",
					   "bpf-restrict-network-interfaces",
					   "cpu",
					   "cpuacct",
					   "cpuset",
					   "devices",
					   "io",
					   "memory",
					   "pids" };

/*
 * What could be taken for a file of a cgroup, or for a name that was changed already, has a '_' in front as
 * the name of a directory. Seen of systemd 252: "cpu.slice" is one, "cpu-a.slice" and "cpu.a.slice" are not.
 */
static void add_directory(struct buf *path, const char *name, size_t len, const char *suffix)
{
	bool change = name[0] == '_' || name[0] == '.' ||
		      (len >= strlen("cgroup") && strncmp(name, "cgroup", 6) == 0 &&
		       (len == strlen("cgroup") || name[6] == '.'));

	for (size_t i = 0; i < ARRAY_LEN(controllers) && !change; i++)
		change = strlen(controllers[i]) == len && strncmp(controllers[i], name, len) == 0;
	buf_addf(path, "/%s%.*s%s", change ? "_" : "", (int)len, name, suffix);
}

/*
 * "a-b-c.slice" is below "a-b.slice", which is below "a.slice" (systemd.slice(5)); "-.slice" is the root.
 * false: no name of a slice.
 */
static bool add_slice(struct buf *path, const char *slice)
{
	const char *suffix;

	if (!is_unit_name(slice, SLICE_SUFFIX))
		return false;
	suffix = slice + strlen(slice) - strlen(SLICE_SUFFIX);
	if (strcmp(slice, "-.slice") == 0)
		return true;
	for (const char *dash = slice;; dash++) {
		const char *end = dash + strcspn(dash, "-");

		if (end > suffix)
			end = suffix;
		if (end == dash)
			return false; /* "-a", "a--b", "a-" */
		add_directory(path, slice, (size_t)(end - slice), SLICE_SUFFIX);
		if (end == suffix)
			return true;
		dash = end;
	}
}

/* A slice in the place of a scope: its own name says below which other it is. */
static bool add_slice_below(struct buf *path, const char *name)
{
	auto_buf struct buf own = BUF_INIT;
	const char *last;

	if (!add_slice(&own, name) || own.len == 0)
		return false;
	last = strrchr(own.data, '/');
	if ((size_t)(last - own.data) != path->len || strncmp(own.data, path->data, path->len) != 0)
		return false;
	buf_addf(path, "%s", last);
	return true;
}

static bool add_unit(struct buf *path, const char *prefix, const char *name)
{
	auto_free char *scope =
		xasprintf("%s%s%s" SCOPE_SUFFIX, prefix, prefix[0] ? "-" : "", name);

	if (ends_with(name, SLICE_SUFFIX))
		return add_slice_below(path, name);
	if (!name[0] || !is_unit_name(scope, SCOPE_SUFFIX))
		return false;
	add_directory(path, scope, strlen(scope) - strlen(SCOPE_SUFFIX), SCOPE_SUFFIX);
	return true;
}

/* *ret_is: it has that form. The directories are made like any others, without asking systemd. */
static char *from_systemd(const char *text, bool *ret_is)
{
	auto_free char *slice = xstrdup(text);
	auto_buf struct buf path = BUF_INIT;
	char *prefix = strchr(slice, ':');
	char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	*ret_is = name && !strchr(name + 1, ':') && !strchr(text, '/');
	if (!*ret_is)
		return NULL;
	*prefix++ = '\0';
	*name++ = '\0';
	buf_add(&path, "", 0);
	if (!add_slice(&path, slice[0] ? slice : "system.slice") || !add_unit(&path, prefix, name))
		return NULL;
	return take_ptr(path.data);
}

char *cgroups_path_parse(const char *text, struct err *e)
{
	bool is_systemd;
	auto_free char *path = from_systemd(text, &is_systemd);

	if (is_systemd && !path) {
		err_set(e, ERR_INVALID, "cgroupsPath '%.200s' names no slice, prefix and name",
			text);
		return NULL;
	}
	if (!path)
		path = xasprintf("/%s", text + strspn(text, "/"));
	/* The kernel takes no end of a line in a name either: its own lists have a cgroup in each. */
	if (!path_is_clean(path) || path[1] == '\0' || strchr(path, '\n')) {
		err_set(e, ERR_INVALID, "cgroupsPath '%.200s' is no path", text);
		return NULL;
	}
	return take_ptr(path);
}

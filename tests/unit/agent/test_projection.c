/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes whose files are exchanged: what is shown, what a reader meets meanwhile, and what failures leave. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/guest/projection.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define VOLUME "uid_name"

static char root[64];

/* ---- System calls that fail ---- */

static struct {
	long at, count; /* the call that fails, the first is 1; 0: none */
} fault;

static bool fails(void)
{
	if (fault.at == 0 || ++fault.count != fault.at)
		return false;
	errno = ENOSPC;
	return true;
}

int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	return fails() ? -1 : __real_mkdirat(dir, path, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return fails() ? -1 : __real_openat(dir, path, flags, mode);
}

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	return fails() ? -1 : __real_write(fd, buf, len);
}

int __real_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid)
{
	return fails() ? -1 : __real_fchown(fd, uid, gid);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	return fails() ? -1 : __real_fchmod(fd, mode);
}

int __real_symlinkat(const char *target, int dir, const char *path);
int __wrap_symlinkat(const char *target, int dir, const char *path);
int __wrap_symlinkat(const char *target, int dir, const char *path)
{
	return fails() ? -1 : __real_symlinkat(target, dir, path);
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b)
{
	return fails() ? -1 : __real_renameat(from, a, to, b);
}

/* ---- Sets ---- */

#define FILES_MAX 8

struct set {
	Husk__PutRequest req;
	Husk__ProjectedFile volume, file[FILES_MAX], *files[FILES_MAX];
};

static void set_init(struct set *s, const char *name)
{
	husk__put_request__init(&s->req);
	husk__projected_file__init(&s->volume);
	s->volume.mode = S_IFDIR | 0755;
	s->volume.uid = geteuid();
	s->volume.gid = getegid();
	s->req.volume = (char *)(uintptr_t)VOLUME;
	s->req.root = &s->volume;
	s->req.set = (char *)(uintptr_t)name;
	s->req.files = s->files;
}

static void set_add(struct set *s, const char *path, mode_t mode, const char *text)
{
	Husk__ProjectedFile *f = &s->file[s->req.n_files];

	husk__projected_file__init(f);
	f->path = (char *)(uintptr_t)path;
	f->mode = mode;
	f->uid = geteuid();
	f->gid = getegid();
	f->data.data = (uint8_t *)(uintptr_t)text;
	f->data.len = strlen(text);
	s->files[s->req.n_files++] = f;
}

/* A directory with a file, a file, and one that only this set has. */
static void set_fill(struct set *s, const char *name, const char *text)
{
	set_init(s, name);
	set_add(s, "", S_IFDIR | 0755, "");
	set_add(s, "key", S_IFREG | 0640, text);
	set_add(s, "deep", S_IFDIR | 0750, "");
	set_add(s, "deep/other", S_IFREG | 0400, text);
	set_add(s, text, S_IFREG | 0644, "");
}

static int put(const char *name, const char *text, char **ret_old, struct err *e)
{
	struct set s;

	set_fill(&s, name, text);
	return projection_put(root, &s.req, ret_old, e);
}

static void put_ok(const char *name, const char *text, const char *want_old)
{
	auto_free char *old = NULL;
	struct err e = ERR_INIT;

	assert_ok(put(name, text, &old, &e), &e);
	if (want_old)
		assert_string_equal(old, want_old);
	else
		assert_null(old);
}

static void remove_set(const char *name)
{
	struct err e = ERR_INIT;

	assert_ok(projection_remove_set(root, VOLUME, name, &e), &e);
}

/* ---- What there is ---- */

static char *in_volume(const char *name)
{
	return xasprintf("%s/" VOLUME "/%s", root, name);
}

static void assert_file(const char *name, const char *want)
{
	auto_free char *path = in_volume(name);
	auto_free char *got = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, path, 4096, &got, NULL, &e), &e);
	assert_string_equal(got, want);
}

static void assert_link(const char *name, const char *want)
{
	auto_free char *path = in_volume(name);
	char got[256] = "";

	if (readlink(path, got, sizeof(got) - 1) < 0)
		fail_msg("'%s': %s", name, strerror(errno));
	assert_string_equal(got, want);
}

static mode_t mode_of(const char *name)
{
	auto_free char *path = in_volume(name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static bool is_there(const char *name)
{
	auto_free char *path = in_volume(name);

	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n - 2;
}

static unsigned entries_in_volume(void)
{
	auto_free char *path = in_volume("");

	return entries(path);
}

static int set_up(void **state)
{
	(void)state;
	fault.at = 0;
	(void)snprintf(root, sizeof(root), "/tmp/husk-projection-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fault.at = 0;
	return path_remove_tree(AT_FDCWD, root, &e);
}

/* ---- Cases ---- */

static void test_layout(void **state)
{
	(void)state;
	put_ok("..1", "one", NULL);
	assert_link("..data", "..1");
	assert_link("key", "..data/key");
	assert_link("deep", "..data/deep");
	assert_file("key", "one");
	assert_file("deep/other", "one");
	assert_int_equal(mode_of("key"), 0640);
	assert_int_equal(mode_of("deep"), 0750);
	assert_int_equal(mode_of("deep/other"), 0400);
	assert_int_equal(mode_of("."), 0755);
	assert_int_equal(entries_in_volume(), 5);
}

static void test_switch(void **state)
{
	(void)state;
	put_ok("..1", "one", NULL);
	put_ok("..2", "two", "..1");
	assert_link("..data", "..2");
	assert_file("key", "two");
	assert_true(is_there("two"));
	assert_false(is_there("one"));
	/* Whoever was on the way to the old one still finds it. */
	assert_file("..1/key", "one");
	remove_set("..1");
	assert_false(is_there("..1"));
	assert_file("deep/other", "two");
	assert_int_equal(entries_in_volume(), 5);
	/* The same set once more, because its owners changed: beside the one that is shown. */
	put_ok("..2", "two", "..2");
	assert_link("..data", "..2-");
	remove_set("..2");
	assert_file("key", "two");
	assert_int_equal(entries_in_volume(), 5);
}

static void test_owners(void **state)
{
	auto_free char *old = NULL;
	auto_free char *path = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	struct set s;

	(void)state;
	if (geteuid() != 0)
		skip();
	set_fill(&s, "..1", "one");
	s.file[1].uid = 1000;
	s.file[1].gid = 2000;
	s.file[1].mode = S_IFREG | 02750;
	assert_ok(projection_put(root, &s.req, &old, &e), &e);
	path = in_volume("key");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 2000);
	assert_int_equal(st.st_mode & 07777, 02750);
}

static void test_refused(void **state)
{
	static const struct {
		const char *volume, *set, *path;
		mode_t mode;
	} rows[] = {
		{ "", "..1", "key", S_IFREG },
		{ "..", "..1", "key", S_IFREG },
		{ "a/b", "..1", "key", S_IFREG },
		{ VOLUME, "", "key", S_IFREG },
		{ VOLUME, "..", "key", S_IFREG },
		{ VOLUME, "1", "key", S_IFREG },
		{ VOLUME, "..data", "key", S_IFREG },
		{ VOLUME, "..data_tmp", "key", S_IFREG },
		{ VOLUME, "../1", "key", S_IFREG },
		{ VOLUME, "..1/../../1", "key", S_IFREG },
		{ VOLUME, "..1", "../key", S_IFREG },
		{ VOLUME, "..1", "/key", S_IFREG },
		{ VOLUME, "..1", "deep/../../key", S_IFREG },
		{ VOLUME, "..1", "..data", S_IFREG },
		{ VOLUME, "..1", ".", S_IFREG },
		{ VOLUME, "..1", "", S_IFREG },
		{ VOLUME, "..1", "key", S_IFLNK },
		{ VOLUME, "..1", "key", S_IFIFO },
		{ VOLUME, "..1", "key", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *old = NULL;
		struct err e = ERR_INIT;
		struct set s;

		set_init(&s, rows[i].set);
		s.req.volume = (char *)(uintptr_t)rows[i].volume;
		set_add(&s, rows[i].path, rows[i].mode | 0644, "/etc");
		assert_err(projection_put(root, &s.req, &old, &e), &e, ERR_INVALID, "");
		assert_null(old);
		assert_int_equal(entries(root), 0);
	}
}

/* A container that may write to its copy plants links where the next set will be. */
static void test_planted_links(void **state)
{
	auto_free char *outside = xasprintf("%s/outside", root);
	auto_free char *set = NULL, *tmp = NULL, *key = NULL, *volume = NULL, *old = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdir(outside, 0700), 0);
	put_ok("..1", "one", NULL);
	set = in_volume("..2");
	tmp = in_volume("..data_tmp");
	key = in_volume("key");
	assert_int_equal(symlink(outside, set), 0);
	assert_int_equal(symlink(outside, tmp), 0);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(symlink(outside, key), 0);
	put_ok("..2", "two", "..1");
	assert_link("..data", "..2-");
	assert_link("key", "..data/key");
	assert_file("key", "two");
	assert_int_equal(entries(outside), 0);

	/* The volume itself. */
	assert_ok(path_remove_tree(AT_FDCWD, root, &e), &e);
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(mkdir(outside, 0700), 0);
	volume = xasprintf("%s/" VOLUME, root);
	assert_int_equal(symlink("outside", volume), 0);
	assert_true(put("..3", "three", &old, &e) < 0);
	assert_int_equal(entries(outside), 0);
}

/* The first one leaves nothing, a later one what there was or what there is to be, and the next one works. */
static void test_failures(void **state)
{
	bool failed = true;

	(void)state;
	for (long n = 1; failed; n++) {
		auto_free char *old = NULL;
		struct err e = ERR_INIT;

		fault.count = 0;
		fault.at = n;
		failed = put("..1", "one", &old, &e) < 0;
		fault.at = 0;
		assert_null(old);
		if (failed) {
			if (entries(root) != 0)
				fail_msg("something is left after '%s'", e.text);
			assert_true(n < 100);
		}
	}
	failed = true;
	for (long n = 1; failed; n++) {
		auto_free char *old = NULL;
		struct err e = ERR_INIT;

		fault.count = 0;
		fault.at = n;
		failed = put("..2", "two", &old, &e) < 0;
		fault.at = 0;
		if (!old) {
			/* It is as it was, to the name. */
			assert_file("key", "one");
			assert_file("one", "");
			if (is_there("..data_tmp") || entries_in_volume() != 5)
				fail_msg("something is left after '%s'", e.text);
			continue;
		}
		assert_string_equal(old, "..1");
		assert_file("key", "two");
		remove_set("..1");
		if (failed) {
			put_ok("..1", "one", "..2");
			remove_set("..2");
			assert_int_equal(entries_in_volume(), 5);
		}
	}
	assert_file("deep/other", "two");
	assert_int_equal(entries_in_volume(), 5);
}

/* ---- Reading meanwhile ---- */

struct reader {
	atomic_bool stop;
	atomic_long reads;
	char problem[256];
};

static void read_text(struct reader *r, int dir, const char *name, char ret[static 32])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 31);

	if (n < 0)
		(void)snprintf(r->problem, sizeof(r->problem), "'%s': %s", name, strerror(errno));
	ret[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	auto_free char *path = in_volume("");
	auto_close int volume = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long last = 0;

	while (!r->stop && !r->problem[0]) {
		auto_close int set = -1;
		char now[32], first[32], second[32];

		read_text(r, volume, "key", now);
		if (strtol(now, NULL, 10) < last)
			(void)snprintf(r->problem, sizeof(r->problem), "'%s' after %ld", now, last);
		last = strtol(now, NULL, 10);
		set = openat(volume, "..data", O_PATH | O_DIRECTORY | O_CLOEXEC);
		read_text(r, set, "key", first);
		read_text(r, set, "deep/other", second);
		if (strcmp(first, second) != 0)
			(void)snprintf(r->problem, sizeof(r->problem), "'%s' and '%s'", first,
				       second);
		r->reads++;
	}
	return NULL;
}

/* Until it has begun and ended a round since. */
static void let_read(const struct reader *r)
{
	long since = r->reads;

	while (r->reads < since + 2 && !r->problem[0])
		(void)sched_yield();
}

/* As the agent does it: the set before is removed when those who were at it have gone. */
static void test_a_reader_sees_whole_sets(void **state)
{
	struct reader r = { .reads = 0 };
	pthread_t thread;

	(void)state;
	put_ok("..0", "0", NULL);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
	let_read(&r);
	for (int i = 1; i <= 500 && !r.problem[0]; i++) {
		auto_free char *name = xasprintf("..%d", i);
		auto_free char *text = xasprintf("%d", i);
		auto_free char *old = NULL;
		struct err e = ERR_INIT;

		assert_ok(put(name, text, &old, &e), &e);
		let_read(&r);
		remove_set(old);
	}
	r.stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(r.problem, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_layout),
		CASE(test_switch),
		CASE(test_owners),
		CASE(test_refused),
		CASE(test_planted_links),
		CASE(test_failures),
		CASE(test_a_reader_sees_whole_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

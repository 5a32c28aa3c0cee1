/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that are copied: what the agent is sent, in which order, and what is too much. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/volume_copy.h"

#define GUEST "/run/kata-containers/shared/containers/copy-"

static struct {
	char dir[64];
	struct buf sent; /* a line for each message */
	unsigned n_sent, fail_at;
	struct volume_copies copies;
	int result, second, third;
	struct err e;
} t;

/* The server of the files does not answer: who asks it waits, which the loop must not. */
static struct {
	bool watched;
	unsigned looks, on_loop;
} server;

static void note_look(void)
{
	if (!server.watched)
		return;
	__atomic_add_fetch(&server.looks, 1, __ATOMIC_SEQ_CST);
	if (gettid() == getpid())
		server.on_loop++;
}

int __real_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	note_look();
	return __real_fstatat(dir, name, st, flags);
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st)
{
	note_look();
	return __real_fstat(fd, st);
}

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...)
{
	note_look();
	return __real_openat(dir, name, flags); /* nothing here creates any */
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir)
{
	note_look();
	return __real_readdir(dir);
}

ssize_t __real_readlinkat(int dir, const char *name, char *to, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *name, char *to, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *name, char *to, size_t size)
{
	note_look();
	return __real_readlinkat(dir, name, to, size);
}

/* Where a file system is a program, that is asked when a file is closed. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	note_look();
	return __real_close(fd);
}

/* "path mode length/size content", content of short ones alone. */
static int record(void *arg, const Grpc__CopyFileRequest *req, struct err *e)
{
	(void)arg;
	if (++t.n_sent == t.fail_at)
		return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
	assert_true(strncmp(req->path, GUEST, strlen(GUEST)) == 0);
	assert_true(req->offset + (int64_t)req->data.len <= req->file_size);
	buf_addf(&t.sent, "%s %o %lld+%zu/%lld %.*s\n", req->path + strlen(GUEST), req->file_mode,
		 (long long)req->offset, req->data.len, (long long)req->file_size,
		 req->data.len < 40 ? (int)req->data.len : 0, (const char *)req->data.data);
	return 0;
}

static int copy(const char *name, bool read_only, char **ret, struct err *e)
{
	const struct volume_copier to = { .send = record };
	auto_free char *source = path_join(t.dir, name);

	buf_done(&t.sent);
	t.sent = BUF_INIT;
	t.n_sent = 0;
	return volume_copy(&t.copies, &to, source, read_only, DEADLINE_NEVER, ret, e);
}

static void make(const char *name, const char *text, off_t size, mode_t mode)
{
	auto_free char *path = path_join(t.dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	if (size > 0)
		assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void make_dir(const char *name, mode_t mode)
{
	auto_free char *path = path_join(t.dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_link(const char *name, const char *target)
{
	auto_free char *path = path_join(t.dir, name);

	assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.copies = VOLUME_COPIES_INIT;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-copy-XXXXXX");
	return mkdtemp(t.dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	volume_copies_done(&t.copies);
	buf_done(&t.sent);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

static void test_files(void **state)
{
	auto_free char *path = NULL, *again = NULL, *other = NULL;
	struct err e = ERR_INIT;

	(void)state;
	make("script", "#!/bin/sh\n", 0, 04755);
	make("empty", "", 0, 0400);
	make_link("link", "script");
	assert_ok(copy("script", false, &path, &e), &e);
	assert_string_equal(path, GUEST "0");
	assert_string_equal(t.sent.data, "0 104755 0+10/10 #!/bin/sh\n\n");
	/* One more container: what it has written to the copy is kept, unless all it does is read. */
	assert_ok(copy("script", false, &again, &e), &e);
	assert_string_equal(again, path);
	assert_int_equal(t.n_sent, 0);
	free(take_ptr(again));
	assert_ok(copy("script", true, &again, &e), &e);
	assert_string_equal(again, path);
	assert_int_equal(t.n_sent, 1);

	assert_ok(copy("empty", true, &other, &e), &e);
	assert_string_equal(t.sent.data, "1 100400 0+0/0 \n");
	free(take_ptr(other));
	/* The source itself is what it leads to. */
	assert_ok(copy("link", true, &other, &e), &e);
	assert_string_equal(t.sent.data, "2 104755 0+10/10 #!/bin/sh\n\n");
}

static void test_pieces(void **state)
{
	auto_free char *path = NULL;
	struct err e = ERR_INIT;

	(void)state;
	make("large", "", 2 * VOLUME_COPY_PIECE + 1, 0644);
	assert_ok(copy("large", true, &path, &e), &e);
	assert_string_equal(t.sent.data, "0 100644 0+1048576/2097153 \n"
					 "0 100644 1048576+1048576/2097153 \n"
					 "0 100644 2097152+1/2097153 \n");
	assert_int_equal(t.n_sent, 3);
}

/* As the kubelet lays out a configMap. */
static void test_tree(void **state)
{
	auto_free char *path = NULL, *pipe = NULL;
	struct err e = ERR_INIT;

	(void)state;
	make_dir("v", 01777);
	make_dir("v/..1", 0750);
	make("v/..1/key", "value", 0, 0640);
	make_link("v/..data", "..1");
	make_link("v/out", "../../../../etc/passwd");
	pipe = path_join(t.dir, "v/pipe");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_ok(copy("v", true, &path, &e), &e);
	assert_int_equal(strncmp(t.sent.data, "0 41777 0+0/0 \n", 15), 0);
	assert_non_null(strstr(t.sent.data, "0/..1 40750 0+0/0 \n"
					    "0/..1/key 100640 0+5/5 value\n"
					    "0/..1 40750 0+0/0 \n"));
	assert_non_null(strstr(t.sent.data, "\n0/..data 120777 0+3/3 ..1\n"));
	assert_non_null(strstr(t.sent.data, "\n0/out 120777 0+22/22 ../../../../etc/passwd\n"));
	assert_null(strstr(t.sent.data, "pipe"));
	assert_null(strstr(t.sent.data, "root:"));
	assert_int_equal(t.n_sent, 7);
	assert_non_null(strstr(t.sent.data + 1, "\n0 41777 0+0/0 \n"));
}

static void copy_tree(void *arg)
{
	auto_free char *path = NULL;
	struct err *e = arg;

	server.watched = true;
	t.result = copy("v", true, &path, e);
	server.watched = false;
}

static void test_looked_at_by_workers(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_dir("v", 0755);
	make("v/file", "text", 0, 0644);
	make_link("v/link", "file");
	fiber_main(copy_tree, &e);
	assert_ok(t.result, &e);
	assert_int_equal(t.n_sent, 4);
	assert_in_range(server.looks, 10, 1000);
	assert_int_equal(server.on_loop, 0);
}

/* The agent takes its time with the first one. */
static struct {
	bool held, goes_on;
	struct cond changed;
} slow;

static int send_slowly(void *arg, const Grpc__CopyFileRequest *req, struct err *e)
{
	(void)arg;
	(void)req;
	slow.held = true;
	while (!slow.goes_on)
		if (cond_wait(&slow.changed, DEADLINE_NEVER, e) < 0)
			return -1;
	return 0;
}

static void copy_slowly(void *arg)
{
	const struct volume_copier to = { .send = send_slowly };
	auto_free char *source = path_join(t.dir, "slow");
	auto_free char *path = NULL;
	struct err *e = arg;

	t.result = volume_copy(&t.copies, &to, source, true, DEADLINE_NEVER, &path, e);
}

static void two_copies(void *arg)
{
	const struct volume_copier to = { .send = record };
	auto_free char *source = path_join(t.dir, "slow");
	auto_free char *beside = path_join(t.dir, "other");
	auto_free char *same = NULL, *other = NULL;
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err first = ERR_INIT;
	struct err *e = arg;

	fiber_group_start(&group, "first", copy_slowly, &first);
	while (!slow.held)
		fiber_yield();
	t.second = volume_copy(&t.copies, &to, source, true, deadline_in_ms(GIVES_UP_MS), &same, e);
	t.third = volume_copy(&t.copies, &to, beside, true, deadline_in_ms(GIVES_UP_MS), &other,
			      &t.e);
	slow.goes_on = true;
	cond_wake_all(&slow.changed);
	fiber_group_wait(&group);
}

/* Whoever wants the same waits for it, others do not. */
static void test_two_copies(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make("slow", "text", 0, 0644);
	make("other", "text", 0, 0644);
	fiber_main(two_copies, &e);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "/slow' for another container: timed out"));
	assert_ok(t.third, &t.e);
}

static void test_failure_half_way(void **state)
{
	auto_free char *path = NULL;
	struct err e = ERR_INIT;

	(void)state;
	make_dir("v", 0755);
	make("v/file", "text", 0, 0644);
	t.fail_at = 2;
	assert_err(copy("v", false, &path, &e), &e, ERR_UNAVAILABLE, "/v' into the guest: file: ");
	t.fail_at = 0;
	/* What is not whole is begun again. */
	assert_ok(copy("v", false, &path, &e), &e);
	assert_string_equal(path, GUEST "0");
	assert_int_equal(t.n_sent, 3);
}

static void test_limits(void **state)
{
	auto_free char *path = NULL;
	auto_buf struct buf deep = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	make("most", "", VOLUME_COPY_BYTES_MAX, 0644);
	assert_ok(copy("most", true, &path, &e), &e);
	make("more", "", VOLUME_COPY_BYTES_MAX + 1, 0644);
	assert_err(copy("more", true, &path, &e), &e, ERR_EXHAUSTED, "/more' into the guest: more");
	assert_int_equal(t.n_sent, 0);

	make_dir("many", 0755);
	for (unsigned i = 0; i < VOLUME_COPY_FILES_MAX - 1; i++) {
		auto_free char *name = xasprintf("many/%u", i);

		make(name, "", 0, 0644);
	}
	free(take_ptr(path));
	assert_ok(copy("many", true, &path, &e), &e);
	make("many/one-more", "", 0, 0644);
	assert_err(copy("many", true, &path, &e), &e, ERR_EXHAUSTED, "more than 4096 files");

	buf_addf(&deep, "deep");
	make_dir("deep", 0755);
	for (unsigned i = 1; i < VOLUME_COPY_DEPTH_MAX; i++) {
		buf_addf(&deep, "/d");
		make_dir(deep.data, 0755);
	}
	free(take_ptr(path));
	assert_ok(copy("deep", true, &path, &e), &e);
	buf_addf(&deep, "/d");
	make_dir(deep.data, 0755);
	assert_err(copy("deep", true, &path, &e), &e, ERR_EXHAUSTED, "directories in each other");
}

static void test_what_cannot_be(void **state)
{
	auto_free char *path = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(copy("nothing", true, &path, &e), &e, ERR_NOT_FOUND, "/nothing' into the guest");
	make_dir("v", 0755);
	make("v/\xff", "", 0, 0644);
	assert_err(copy("v", true, &path, &e), &e, ERR_UNSUPPORTED, "/v' into the guest: a name");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_files),      CASE(test_pieces),         CASE(test_looked_at_by_workers),
		CASE(test_two_copies), CASE(test_tree),           CASE(test_failure_half_way),
		CASE(test_limits),     CASE(test_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

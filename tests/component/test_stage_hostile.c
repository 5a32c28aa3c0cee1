/* SPDX-License-Identifier: Apache-2.0 */
/* Images that try to lead the stage out of their root: nothing outside may change. Needs root. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/assert.h"
#include "tests/component/stage_harness.h"

static struct stage_run run;

/* In the image `place` is a link to `target`; then the container is started with one more mount. */
struct hostile {
	const char *name;
	const char *place;  /* below the root; what is there is removed */
	const char *target; /* "OUT": a directory outside */
	const char *mount;  /* destination of a bind mount of a directory; NULL: none */
	const char *cwd;
	const char *step; /* that refuses it; NULL: it runs, inside */
	const char *text; /* of the error */
};

static const struct hostile images[] = {
	{ "/proc is the root", "proc", "/", NULL, "/", "mount", "must be an ordinary directory" },
	{ "/proc leads out", "proc", "../../../../proc", NULL, "/", "mount",
	  "must be an ordinary directory" },
	{ "/sys leads to /etc", "sys", "/etc", NULL, "/", "mount",
	  "must be an ordinary directory" },
	{ "/dev is /etc", "dev", "/etc", NULL, "/", NULL, NULL },
	{ "/dev leads out", "dev", "OUT", NULL, "/", NULL, NULL },
	{ "/dev is the root", "dev", "/", NULL, "/", "mount", "a link leads to the root itself" },
	{ "a mount leads out", "data", "../../../../../OUT", "/data", "/", NULL, NULL },
	{ "a mount's parent leads out", "data", "OUT", "/data/below", "/", NULL, NULL },
	{ "a mount on the root", "data", "..", "/data", "/", "mount",
	  "a link leads to the root itself" },
	{ "a mount through a magic link", "data", "/proc/self/root/OUT", "/data/x", "/", "mount",
	  "/data/x" },
	{ "a mount through a descriptor", "data", "/proc/self/fd/4", "/data", "/", "mount",
	  "/data" },
	{ "a mount below /proc", "data", "x", "/proc/sys/kernel", "/", "prepare mounts",
	  "nothing may be mounted there" },
	{ "a mount on /proc", "data", "x", "/proc", "/", "prepare mounts",
	  "only a procfs may be mounted there" },
	{ "a mount with dots", "data", "x", "/tmp/../../x", "/", "prepare mounts",
	  "contains '..'" },
	{ "cwd leads out", "desk", "OUT", NULL, "/desk", NULL, NULL },
	{ "cwd by dots stays inside", "desk", "../../../../../../tmp", NULL, "/desk", NULL, NULL },
	{ "cwd by a descriptor", "desk", "/proc/self/fd", NULL, "/desk/4",
	  "create working directory", "/desk/4" },
	{ "a mount on a link to nothing stays inside", "data", "../../../new/place", "/data", "/",
	  NULL, NULL },
	{ "a link to nothing on the way stays inside", "data", "/new/place", "/data/x", "/", NULL,
	  NULL },
	{ "a link to itself", "data", "data", "/data/x", "/", "mount", "/data/x" },
	{ "passwd leads out", "etc/passwd", "OUT/passwd", NULL, "/", NULL, NULL },
	{ "masked path leads out", "masked", "OUT", NULL, "/", NULL, NULL },
};

static char *outside; /* must stay as it is */

static void make_link(const struct hostile *h)
{
	auto_free char *place = path_join(run.rootfs, h->place);
	auto_buf struct buf target = BUF_INIT;
	const char *out = strstr(h->target, "OUT");
	struct err e = ERR_INIT;

	if (out)
		buf_addf(&target, "%.*s%s%s", (int)(out - h->target), h->target, outside,
			 out + strlen("OUT"));
	else
		buf_addf(&target, "%s", h->target);
	assert_int_equal(path_remove_tree(AT_FDCWD, place, &e), 0);
	assert_int_equal(symlink(target.data, place), 0);
}

static void count_entries(const char *path, int *ret)
{
	DIR *d = opendir(path);

	assert_non_null(d);
	*ret = 0;
	for (struct dirent *de = readdir(d); de; de = readdir(d))
		(*ret)++;
	(void)closedir(d);
}

static void try_image(const struct hostile *h)
{
	static const char *const masked[] = { "/masked" };
	struct stat before, after, host_null;
	int entries;
	auto_free char *source = NULL;
	auto_free char *secret = NULL;

	stage_run_init(&run);
	outside = xstrdup(stage_run_path(&run, "outside"));
	source = xstrdup(stage_run_path(&run, "source"));
	secret = path_join(outside, "passwd");
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(close(open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	make_link(h);
	if (h->mount)
		stage_run_mount(&run, h->mount, "bind", source, "rbind");
	run.process.cwd = lit(h->cwd);
	run.linux_part.maskedpaths = (char **)(uintptr_t)masked;
	run.linux_part.n_maskedpaths = 1;
	assert_int_equal(stat(outside, &before), 0);

	stage_run_shell(&run, "pwd; echo x >/probe");
	stage_run_go(&run);

	if (h->step ? !run.step || strcmp(run.step, h->step) != 0 || !strstr(run.error, h->text)
		    : run.error != NULL)
		print_error("%s: %s\n", h->name, run.error ? run.error : "it ran");
	if (h->step) {
		assert_non_null(run.step);
		assert_string_equal(run.step, h->step);
		assert_non_null(strstr(run.error, h->text));
	} else {
		assert_null(run.error);
	}
	assert_int_equal(stat(outside, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	count_entries(outside, &entries);
	assert_int_equal(entries, 3); /* ".", ".." and passwd */
	count_entries(source, &entries);
	assert_int_equal(entries, 2);
	assert_int_equal(stat("/dev/null", &host_null), 0);
	assert_true(S_ISCHR(host_null.st_mode));
	free(outside);
	stage_run_done(&run);
}

static void nothing_outside_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(images); i++)
		try_image(&images[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_outside_changes) };
	int code;

	if (stage_run_is_stage(argc, argv, &code))
		return code;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		(void)puts("skipped: needs root and /bin/busybox");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

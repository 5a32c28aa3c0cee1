/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() for a fuzz target that is built as an ordinary program: runs it over every file of its
 * corpus, so that `make check` keeps targets and corpora alive with any compiler. With
 * --enable-fuzzers libFuzzer's own main() is linked instead.
 *
 * The corpus is the directories named by the arguments; without any it is
 * $srcdir/tests/fuzz/corpus/<name> for the program fuzz_<name>, as automake's test driver calls it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define INPUT_MAX (16u << 20) /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dirfd, const char *name)
{
	auto_free char *text = NULL;
	auto_free uint8_t *exact = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (file_read(dirfd, name, INPUT_MAX, &text, &len, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	/* A block of exactly that size, so that a sanitizer sees a read beyond its end. */
	exact = xmemdup(text, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	return 0;
}

static int run_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int n = 0;

	if (!dir) {
		perror(path);
		return -1;
	}
	while (n >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			n = run_file(dirfd(dir), entry->d_name) < 0 ? -1 : n + 1;
	(void)closedir(dir);
	if (n == 0)
		(void)fprintf(stderr, "%s: nothing in it\n", path);
	else if (n > 0)
		(void)printf("%s: %d inputs\n", path, n);
	return n > 0 ? 0 : -1;
}

static char *default_dir(const char *program)
{
	const char *name = path_base(program), *srcdir = getenv("srcdir");

	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	return xasprintf("%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name);
}

int main(int argc, char **argv)
{
	auto_free char *dir = default_dir(argv[0]);

	if (argc == 1)
		return run_dir(dir) < 0;
	for (int i = 1; i < argc; i++)
		if (run_dir(argv[i]) < 0)
			return 1;
	return 0;
}

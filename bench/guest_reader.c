/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a file is read, run in a container: prints the nanoseconds. Linked statically, as
 * guest_pump is.
 *
 *      guest_reader sequential FILE BYTES    from its beginning, 1 MiB at a time
 *      guest_reader random FILE COUNT        so many pieces of 4 KiB from anywhere in it
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEQUENTIAL (1u << 20)
#define RANDOM     4096u

static char piece[SEQUENTIAL];

static int fail(const char *what)
{
	(void)fprintf(stderr, "guest_reader: %s: %s\n", what, strerror(errno));
	return 1;
}

static long long now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int read_sequential(int fd, long long bytes)
{
	while (bytes > 0) {
		ssize_t n = read(fd, piece, SEQUENTIAL);

		if (n <= 0)
			return fail("read");
		bytes -= n;
	}
	return 0;
}

/* A generator with a period far longer than any count; the same pieces in every run. */
static int read_random(int fd, long long count)
{
	long long pieces = lseek(fd, 0, SEEK_END) / RANDOM;
	unsigned long long state = 1;

	if (pieces <= 0)
		return fail("size");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (; count > 0; count--) {
		/* Donald Knuth's MMIX constants; the high bits are the good ones. */
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		if (pread(fd, piece, RANDOM,
			  (off_t)((state >> 33) % (unsigned long long)pieces) * RANDOM) != RANDOM)
			return fail("read");
	}
	return 0;
}

int main(int argc, char **argv)
{
	long long began = now_ns(), amount;
	int fd, result;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: guest_reader sequential FILE BYTES\n"
				      "       guest_reader random FILE COUNT\n");
		return 2;
	}
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(argv[2]);
	amount = strtoll(argv[3], NULL, 10);
	result = strcmp(argv[1], "random") == 0 ? read_random(fd, amount)
						: read_sequential(fd, amount);
	(void)printf("%lld\n", now_ns() - began);
	(void)close(fd);
	return result;
}

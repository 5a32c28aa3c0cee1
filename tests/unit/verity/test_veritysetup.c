/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of veritysetup, in all combinations: the superblock reads as what it was asked to make, and
 * where the table says the tree begins there is its root block, which the root hash is the hash of.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/verity/verity.h"

#define DATA_BYTES  65536
#define OUTPUT_MAX  16384
#define NOT_THERE   127 /* posix_spawnp() of a program that is not installed */
#define SKIPPED     77  /* automake's code */
#define ROOT_PREFIX "Root hash:"

static char image[] = "/tmp/husk-verity-XXXXXX";

/* Runs veritysetup with these words; *ret_output for free(). Its exit code. */
static int veritysetup(char **words, char **ret_output)
{
	posix_spawn_file_actions_t actions;
	auto_close int in = -1;
	int out[2];
	int status;
	pid_t pid;
	struct err e = ERR_INIT;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	in = out[0];
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO), 0);
	if (posix_spawnp(&pid, "veritysetup", &actions, NULL, words, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(out[1]);
	if (pid < 0)
		return NOT_THERE;
	assert_ok(fd_read_all(in, OUTPUT_MAX, "veritysetup", ret_output, NULL, &e), &e);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct combination {
	const char *algorithm, *salt;
	unsigned data_block, hash_block;
	bool superblock;
};

static void make_image(void)
{
	auto_close int fd = open(image, O_WRONLY | O_TRUNC | O_CLOEXEC);
	char data[DATA_BYTES];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 31 + i / 251);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, data, sizeof(data)), 0);
}

static void format(const struct combination *c, char root[2 * VERITY_DIGEST_MAX + 1])
{
	auto_strv char **words = NULL;
	auto_free char *data_block = xasprintf("--data-block-size=%u", c->data_block);
	auto_free char *hash_block = xasprintf("--hash-block-size=%u", c->hash_block);
	auto_free char *blocks = xasprintf("--data-blocks=%u", DATA_BYTES / c->data_block);
	auto_free char *offset = xasprintf("--hash-offset=%u", DATA_BYTES);
	auto_free char *hash = xasprintf("--hash=%s", c->algorithm);
	auto_free char *salt = xasprintf("--salt=%s", c->salt[0] ? c->salt : "-");
	const char *all[] = { "veritysetup", "format", data_block, hash_block, blocks,
			      offset,        hash,     salt,       image,      image };
	auto_free char *output = NULL;
	const char *line;
	size_t digits;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		strv_add(&words, all[i]);
	if (!c->superblock)
		strv_add(&words, "--no-superblock");
	make_image();
	assert_int_equal(veritysetup(words, &output), 0);
	line = strstr(output, ROOT_PREFIX);
	assert_non_null(line);
	line += strlen(ROOT_PREFIX);
	line += strspn(line, " \t");
	digits = strspn(line, "0123456789abcdef");
	assert_in_range(digits, 1, 2 * VERITY_DIGEST_MAX);
	memcpy(root, line, digits);
	root[digits] = '\0';
}

static void check_superblock(const struct combination *c, struct verity_params *p)
{
	auto_close int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint8_t sb[VERITY_SUPERBLOCK_BYTES];
	struct verity_params read = *p;
	struct err e = ERR_INIT;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, sb, sizeof(sb), DATA_BYTES), sizeof(sb));
	assert_int_equal(verity_superblock_present(sb), c->superblock);
	if (!c->superblock)
		return;
	read.data_blocks = 0;
	assert_ok(verity_superblock_parse(sb, &read, &e), &e);
	assert_memory_equal(&read, p, sizeof(read));
	assert_ok(verity_params_check(&read, &e), &e);
}

/* veritysetup, told where the tree begins by our arithmetic, finds it whole. */
static void check_tree(const struct combination *c, const struct verity_params *p)
{
	auto_strv char **words = NULL;
	auto_free char *data_block = xasprintf("--data-block-size=%u", p->data_block_size);
	auto_free char *hash_block = xasprintf("--hash-block-size=%u", p->hash_block_size);
	auto_free char *blocks =
		xasprintf("--data-blocks=%llu", (unsigned long long)p->data_blocks);
	auto_free char *offset =
		xasprintf("--hash-offset=%llu",
			  (unsigned long long)(verity_hash_start(p) * p->hash_block_size));
	auto_free char *hash = xasprintf("--hash=%s", p->algorithm);
	auto_free char *salt = xasprintf("--salt=%s", p->salt[0] ? p->salt : "-");
	const char *all[] = { "veritysetup", "verify",   "--no-superblock",
			      data_block,    hash_block, blocks,
			      offset,        hash,       salt,
			      image,         image,      p->root_hash };
	auto_free char *output = NULL;

	(void)c;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		strv_add(&words, all[i]);
	assert_int_equal(veritysetup(words, &output), 0);
}

static void check_combination(const struct combination *c)
{
	struct verity_params p = {
		.hash_type = 1,
		.data_block_size = c->data_block,
		.hash_block_size = c->hash_block,
		.data_blocks = DATA_BYTES / c->data_block,
		.hash_offset = DATA_BYTES,
		.no_superblock = !c->superblock,
	};
	auto_strv char **option = NULL;
	struct verity_params parsed;
	struct err e = ERR_INIT;

	(void)snprintf(p.algorithm, sizeof(p.algorithm), "%s", c->algorithm);
	(void)snprintf(p.salt, sizeof(p.salt), "%s", c->salt);
	format(c, p.root_hash);
	check_superblock(c, &p);
	verity_options_add(&p, &option);
	assert_int_equal(verity_options_parse(option, strv_len((const char *const *)option),
					      &parsed, &e),
			 1);
	check_tree(c, &parsed);
}

static void test_combinations(void **state)
{
	static const char *const algorithms[] = { "sha256", "sha512" };
	static const char *const salts[] = {
		"", "00112233", "0000000000000000000000000000000000000000000000000000000000000000"
	};
	static const unsigned sizes[][2] = {
		{ 512, 512 },   { 1024, 1024 }, { 2048, 2048 },
		{ 4096, 4096 }, { 512, 4096 },  { 4096, 512 },
	};

	(void)state;
	for (size_t a = 0; a < ARRAY_LEN(algorithms); a++)
		for (size_t s = 0; s < ARRAY_LEN(salts); s++)
			for (size_t z = 0; z < ARRAY_LEN(sizes); z++)
				for (int superblock = 0; superblock <= 1; superblock++) {
					const struct combination c = {
						.algorithm = algorithms[a],
						.salt = salts[s],
						.data_block = sizes[z][0],
						.hash_block = sizes[z][1],
						.superblock = superblock,
					};

					check_combination(&c);
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_combinations) };
	char *version[] = { (char *)(uintptr_t) "veritysetup", (char *)(uintptr_t) "--version",
			    NULL };
	auto_free char *output = NULL;
	auto_close int fd = -1;
	int r;

	if (setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0 ||
	    veritysetup(version, &output) != 0)
		return SKIPPED;
	fd = mkostemp(image, O_CLOEXEC);
	if (fd < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(image);
	return r;
}

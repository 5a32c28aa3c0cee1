/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What common/verity/mapped.h promises, asked of the kernel in a guest and printed line by line. Linked
 * once with libdevmapper and once with the kernel's own interface: both have to print the same.
 *
 *	verity-calls DEVICE ROOT_HASH HASH_OFFSET SALT
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/verity/mapped.h"

static struct verity_params params;
static const char *device;

static int is_there(const struct verity_device *v)
{
	struct stat st;

	return stat(v->node, &st) == 0 && S_ISBLK(st.st_mode);
}

/* Opened and closed again; `change` makes it another kind of wrong. */
static void try(const char *what, const char *name, void (*change)(struct verity_params *p))
{
	struct verity_params p = params;
	struct verity_device v;
	struct err e = ERR_INIT;

	if (change)
		change(&p);
	if (verity_open(&p, device, name, &v, &e) < 0) {
		printf("%s: %d %s\n", what, (int)e.code, e.text);
		return;
	}
	printf("%s: open, node %d", what, is_there(&v));
	printf(", closed %d", verity_close(&v, &e));
	printf(", node %d", is_there(&v));
	printf(", again %d\n", verity_close(&v, &e));
}

static void other_root(struct verity_params *p)
{
	memset(p->root_hash, '7', strlen(p->root_hash));
}

static void more_blocks(struct verity_params *p)
{
	p->data_blocks = UINT64_C(1) << 40;
}

static void unknown_algorithm(struct verity_params *p)
{
	(void)snprintf(p->algorithm, sizeof(p->algorithm), "md1");
}

static void short_root(struct verity_params *p)
{
	p->root_hash[8] = '\0';
}

/* In use while it is closed: it goes with its last user, its name and node at once or then. */
static void in_use(void)
{
	struct verity_device v, second;
	struct err e = ERR_INIT;
	uint8_t magic[4] = { 0 };
	int fd;

	if (verity_open(&params, device, "husk-used", &v, &e) < 0) {
		printf("in use: %s\n", e.text);
		return;
	}
	fd = open(v.node, O_RDWR | O_CLOEXEC);
	printf("opened to be written: %d", fd >= 0);
	if (fd >= 0)
		printf(", written: %zd", pwrite(fd, magic, 4, 0));
	else
		fd = open(v.node, O_RDONLY | O_CLOEXEC);
	printf(", read: %zd", pread(fd, magic, 4, 1024));
	printf(" %02x%02x%02x%02x\n", magic[0], magic[1], magic[2], magic[3]);
	printf("same name: %d", verity_open(&params, device, "husk-used", &second, &e));
	printf(" %d %s\n", (int)e.code, e.text);
	printf("closed while in use: %d", verity_close(&v, &e));
	printf(", node %d\n", is_there(&v));
	(void)close(fd);
	printf("then: %d\n", verity_close(&v, &e));
	try("name is free", "husk-used", NULL);
}

static void long_name(void)
{
	char name[VERITY_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[VERITY_NAME_MAX] = '\0';
	try("longest name", name, NULL);
	name[VERITY_NAME_MAX] = 'n';
	name[VERITY_NAME_MAX + 1] = '\0';
	try("longer name", name, NULL);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	char *option[4];

	if (argc != 5)
		return 2;
	device = argv[1];
	option[0] = xstrdup("X-kata.dmverity-enabled=true");
	option[1] = xasprintf("X-kata.dmverity.roothash=%s", argv[2]);
	option[2] = xasprintf("X-kata.dmverity.hashoffset=%s", argv[3]);
	option[3] = xasprintf("X-kata.dmverity.salt=%s", argv[4]);
	if (verity_options_parse(option, ARRAY_LEN(option), &params, &e) != 1) {
		printf("%s\n", e.text);
		return 1;
	}
	try("right", "husk-right", NULL);
	try("wrong root hash", "husk-wrong", other_root);
	try("behind the end", "husk-end", more_blocks);
	try("algorithm", "husk-algorithm", unknown_algorithm);
	try("short root hash", "husk-short", short_root);
	long_name();
	in_use();
	device = "/dev/null";
	try("no disk", "husk-null", NULL);
	for (size_t i = 0; i < ARRAY_LEN(option); i++)
		free(option[i]);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's verity metadata and the superblock of a layer; see layer_verity.h. */
#include "shim/storage/layer_verity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/json/json.h"

#define METADATA_MAX    65536u /* bytes; containerd writes about a hundred */
#define METADATA_SUFFIX ".dmverity"

/* What containerd formats with, for trees that have no superblock to say so. */
#define DEFAULT_ALGORITHM  "sha256"
#define DEFAULT_BLOCK_SIZE 4096u
#define DEFAULT_HASH_TYPE  1u
#define DEFAULT_SALT_BYTES 32

struct metadata {
	char *root_hash, *salt;
	uint64_t hash_offset;
};

static const struct json_field fields[] = {
	{ "roothash", JSON_STRING, offsetof(struct metadata, root_hash),
	  .flags = JSON_REQUIRED | JSON_NONEMPTY },
	{ "hashoffset", JSON_U64, offsetof(struct metadata, hash_offset), .flags = JSON_REQUIRED },
	{ "salt", JSON_STRING, offsetof(struct metadata, salt), .flags = 0 },
	{ .key = NULL },
};

static int copy_hex(const char *name, const char *text, char *out, size_t digits_max, struct err *e)
{
	size_t len = strlen(text);

	if (len % 2 != 0 || len > digits_max || strspn(text, "0123456789abcdefABCDEF") != len)
		return err_set(e, ERR_INVALID,
			       "%s: '%.140s' is not hexadecimal of at most %zu digits", name, text,
			       digits_max);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);
	out[len] = '\0';
	return 0;
}

static int take(const struct metadata *m, struct verity_params *p, struct err *e)
{
	const char *salt = m->salt && strcmp(m->salt, "-") != 0 ? m->salt : "";

	if (copy_hex("roothash", m->root_hash, p->root_hash, 2 * VERITY_DIGEST_MAX, e) < 0 ||
	    copy_hex("salt", salt, p->salt, 2 * VERITY_SALT_MAX, e) < 0)
		return -1;
	p->hash_offset = m->hash_offset;
	return 0;
}

int layer_verity_parse(const char *text, size_t len, struct verity_params *ret, bool *ret_has_salt,
		       struct err *e)
{
	struct metadata m = { .root_hash = NULL };
	auto_json struct json *root = NULL;
	int r;

	if (len > METADATA_MAX)
		return err_set(e, ERR_EXHAUSTED, "it has more than %u bytes", METADATA_MAX);
	if (json_parse(text, len, &root, e) < 0 || json_read(root, "", fields, &m, e) < 0)
		return -1;
	r = take(&m, ret, e);
	*ret_has_salt = m.salt != NULL;
	json_release(fields, &m);
	return r;
}

static int read_metadata(const char *metadata, struct verity_params *p, bool *ret_has_salt,
			 struct err *e)
{
	auto_close int fd = -1;
	auto_free char *text = NULL;
	struct stat st;
	size_t len;

	if (metadata[0] == '{')
		return layer_verity_parse(metadata, strlen(metadata), p, ret_has_salt, e);
	fd = open(metadata, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "it is no file");
	if (fd_read_all(fd, METADATA_MAX, "it", &text, &len, e) < 0)
		return -1;
	return layer_verity_parse(text, len, p, ret_has_salt, e);
}

static void take_defaults(struct verity_params *p, bool has_salt)
{
	(void)snprintf(p->algorithm, sizeof(p->algorithm), DEFAULT_ALGORITHM);
	p->data_block_size = p->hash_block_size = DEFAULT_BLOCK_SIZE;
	p->hash_type = DEFAULT_HASH_TYPE;
	p->data_blocks = p->hash_offset / DEFAULT_BLOCK_SIZE;
	p->no_superblock = true;
	if (has_salt)
		return;
	memset(p->salt, '0', 2 * DEFAULT_SALT_BYTES);
	p->salt[2 * DEFAULT_SALT_BYTES] = '\0';
}

/* The superblock is not covered by the root hash: where both say something they must agree. */
static int take_superblock(const uint8_t *sb, struct verity_params *p, bool has_salt, struct err *e)
{
	struct verity_params said = *p;

	if (verity_superblock_parse(sb, p, e) < 0)
		return -1;
	if (has_salt && strcmp(said.salt, p->salt) != 0)
		return err_set(e, ERR_INVALID, "salt: the superblock has another");
	if (p->data_block_size == 0 || p->data_blocks != p->hash_offset / p->data_block_size)
		return err_set(e, ERR_INVALID,
			       "hashoffset: %" PRIu64 " does not follow %" PRIu64
			       " data blocks of %u bytes, as the superblock has them",
			       p->hash_offset, p->data_blocks, p->data_block_size);
	return 0;
}

static int complete(const struct disk_file *layer, struct verity_params *p, bool has_salt,
		    struct err *e)
{
	uint8_t sb[VERITY_SUPERBLOCK_BYTES];

	if (p->hash_offset >= layer->bytes)
		return err_set(e, ERR_INVALID,
			       "hashoffset: %" PRIu64 " is behind the end of a layer of %" PRIu64
			       " bytes",
			       p->hash_offset, layer->bytes);
	if (disk_file_read(layer, p->hash_offset, sb, sizeof(sb), e) < 0)
		return -1;
	if (!verity_superblock_present(sb))
		take_defaults(p, has_salt);
	else if (take_superblock(sb, p, has_salt, e) < 0)
		return -1;
	return verity_params_check(p, e);
}

int layer_verity_beside(const char *file, char **ret, struct err *e)
{
	auto_free char *path = xasprintf("%s" METADATA_SUFFIX, file);

	*ret = NULL;
	if (access(path, F_OK) == 0)
		*ret = take_ptr(path);
	else if (errno != ENOENT)
		return err_sys(e, errno, "look for '%s'", path);
	return 0;
}

int layer_verity_read(const char *metadata, const struct disk_file *layer,
		      struct verity_params *ret, struct err *e)
{
	struct verity_params p = { .hash_offset = 0 };
	bool has_salt = false;

	if (read_metadata(metadata, &p, &has_salt, e) < 0 || complete(layer, &p, has_salt, e) < 0)
		return err_wrap(e, "verity metadata '%.300s'", metadata);
	*ret = p;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One mount that becomes a disk; see rootfs_disk.h and containerd-shim 5.1, 5.5. */
#include "shim/storage/rootfs_disk.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "shim/storage/mount_options.h"

#define DEVICE    "device="
#define VERITY    "X-containerd.dmverity="
#define MAKE_FS   "X-containerd.mkfs.fs="
#define MAKE_SIZE "X-containerd.mkfs.size="
#define MAKE_UUID "X-containerd.mkfs.uuid="

#define UUID_LEN      36
#define MAKE_SIZE_MAX (1ull << 50) /* bytes; the file is sparse */

bool rootfs_disk_has_type(const char *fstype)
{
	static const char *const types[] = { "erofs", "ext4", "xfs" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], fstype) == 0)
			return true;
	return false;
}

/* Bytes, or with a unit as Go's go-units writes it: k, KB and KiB are all 1024. */
static bool parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgt";
	size_t digits = strspn(text, "0123456789");
	auto_free char *number = xstrndup(text, digits);
	const char *unit = text + digits;
	uint64_t value, factor = 1;

	if (!num_u64(number, 10, &value))
		return false;
	for (size_t i = 0; *unit && i < sizeof(units) - 1; i++)
		if ((*unit | 0x20) == units[i]) {
			factor = 1ull << (10 * (i + 1));
			unit++;
			unit += (*unit == 'i');
			break;
		}
	unit += (*unit == 'B' || *unit == 'b');
	return !*unit && !__builtin_mul_overflow(value, factor, ret) && *ret > 0 &&
	       *ret <= MAKE_SIZE_MAX;
}

/* It becomes an argument of mkfs. */
static bool is_uuid(const char *text)
{
	return strlen(text) == UUID_LEN && strspn(text, "0123456789abcdefABCDEF-") == UUID_LEN;
}

static const char *after(const char *word, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(word, prefix, len) == 0 ? word + len : NULL;
}

static int read_make_word(const char *word, struct rootfs_disk *d, bool *ret_taken, struct err *e)
{
	const char *value;

	*ret_taken = true;
	if ((value = after(word, MAKE_FS)))
		return strcmp(value, d->fstype) == 0
			       ? 0
			       : err_set(e, ERR_INVALID, "'%.100s' does not fit its type", word);
	if ((value = after(word, MAKE_SIZE)))
		return parse_size(value, &d->make_bytes)
			       ? 0
			       : err_set(e, ERR_INVALID, "'%.100s' is no size", word);
	if ((value = after(word, MAKE_UUID))) {
		d->make_uuid = value;
		return is_uuid(value) ? 0 : err_set(e, ERR_INVALID, "'%.100s' is no UUID", word);
	}
	*ret_taken = false;
	return 0;
}

static int read_layer_word(const char *word, struct rootfs_disk *d, bool *ret_taken, struct err *e)
{
	const char *value;

	*ret_taken = true;
	if ((value = after(word, DEVICE))) {
		if (*value != '/')
			return err_set(e, ERR_INVALID, "'%.200s' is no absolute path", word);
		strv_add(&d->more, value);
		return 0;
	}
	if ((value = after(word, VERITY))) {
		if (d->verity)
			return err_set(e, ERR_INVALID, VERITY " is given twice");
		d->verity = value;
		return 0;
	}
	*ret_taken = false;
	return 0;
}

static int read_words(const struct rootfs_mount *m, bool make, struct rootfs_disk *d, struct err *e)
{
	auto_strv char **rest = NULL;

	for (size_t i = 0; m->options && m->options[i]; i++) {
		const char *word = m->options[i];
		bool taken = false;

		if (make && read_make_word(word, d, &taken, e) < 0)
			return -1;
		if (!taken && strcmp(d->fstype, "erofs") == 0 &&
		    read_layer_word(word, d, &taken, e) < 0)
			return -1;
		if (taken)
			continue;
		if (strcmp(word, "loop") == 0)
			d->is_image = true;
		if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0)
			d->read_only = word[1] == 'o';
		strv_add(&rest, word);
	}
	return mount_options_for_guest((const char *const *)rest, &d->options, e);
}

/* Containers of one image that meet in a guest have file systems of the same UUID. */
static void allow_same_uuid(struct rootfs_disk *d)
{
	if (strcmp(d->fstype, "xfs") != 0)
		return;
	for (size_t i = 0; d->options && d->options[i]; i++)
		if (strcmp(d->options[i], "nouuid") == 0)
			return;
	strv_add(&d->options, "nouuid");
}

static int read_disk(const struct rootfs_mount *m, bool make, struct rootfs_disk *d, struct err *e)
{
	if (m->source[0] != '/')
		return err_set(e, ERR_INVALID, "its source is no absolute path");
	if (m->target && *m->target && strcmp(m->target, "/") != 0)
		return err_set(e, ERR_UNSUPPORTED, "a disk mounted at '%.200s' is not supported",
			       m->target);
	if (read_words(m, make, d, e) < 0)
		return -1;
	if (make && d->make_bytes == 0)
		return err_set(e, ERR_INVALID, "there is no " MAKE_SIZE);
	if (strcmp(d->fstype, "erofs") == 0) {
		d->read_only = true;
		d->is_image = true; /* also where "loop" was left out */
	}
	allow_same_uuid(d);
	return 0;
}

int rootfs_disk_read(const struct rootfs_mount *m, const char *fstype, bool make,
		     struct rootfs_disk *ret, struct err *e)
{
	struct rootfs_disk d = { .fstype = fstype, .file = m->source };

	if (read_disk(m, make, &d, e) < 0) {
		rootfs_disk_done(&d);
		return -1;
	}
	*ret = d;
	return 0;
}

void rootfs_disk_done(struct rootfs_disk *d)
{
	strv_free(d->more);
	strv_free(d->options);
	*d = (struct rootfs_disk){ .file = NULL };
}

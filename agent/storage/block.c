/* SPDX-License-Identifier: Apache-2.0 */
/* Storages on disks: wait for the disk, make a file system if asked to, mount; see block.h. */
#include "agent/storage/block.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/device/watch.h"
#include "agent/guest/command.h"
#include "agent/modules.h"
#include "agent/mount/mount.h"
#include "agent/storage/verified.h"
#include "common/base/mem.h"
#include "common/verity/verity.h"

#define AGENT_OPTION       "X-kata."
#define HUSK_OPTION        "X-husk."
#define CREATE_FILE_SYSTEM "create_filesystem"
#define ENCRYPTION_KEY     "encryption_key="
#define MKFS_MS            60000

static int wait_blk(struct device_watch *w, const char *source, char **ret_node, struct err *e)
{
	if (strncmp(source, "/dev", 4) == 0)
		return device_wait_node(w, source, DEADLINE_NEVER, ret_node, e);
	return device_wait_blk(w, source, DEADLINE_NEVER, ret_node, e);
}

static int wait_ccw(struct device_watch *w, const char *source, char **ret_node, struct err *e)
{
	return device_wait_blk_ccw(w, source, DEADLINE_NEVER, ret_node, e);
}

static int wait_node(struct device_watch *w, const char *source, char **ret_node, struct err *e)
{
	return device_wait_node(w, source, DEADLINE_NEVER, ret_node, e);
}

static int wait_scsi(struct device_watch *w, const char *source, char **ret_node, struct err *e)
{
	return device_wait_scsi(w, source, DEADLINE_NEVER, ret_node, e);
}

/* Each wait ends with the hot-plug timeout. */
static const struct {
	const char *driver, *module;
	int (*wait)(struct device_watch *w, const char *source, char **ret_node, struct err *e);
} disks[] = {
	{ "blk", "virtio_blk", wait_blk },      { "blk-ccw", "virtio_blk", wait_ccw },
	{ "mmioblk", "virtio_blk", wait_node }, { "nvdimm", "nfit", wait_node },
	{ "scsi", "virtio_scsi", wait_scsi },
};

int block_wait(struct device_watch *w, const char *driver, const char *source, char **ret_node,
	       struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
		auto_free char *node = NULL;
		struct stat st;

		if (strcmp(disks[i].driver, driver) != 0)
			continue;
		if (modules_demand(disks[i].module, e) < 0 ||
		    disks[i].wait(w, source, &node, e) < 0)
			return -1;
		if (stat(node, &st) < 0)
			return err_sys(e, errno, "stat '%s'", node);
		if (!S_ISBLK(st.st_mode))
			return err_set(e, ERR_INVALID, "'%s' is no block device", node);
		*ret_node = take_ptr(node);
		return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "'%s' is no kind of disk", driver);
}

char **block_mount_words(char *const *option, size_t n, size_t *ret_n)
{
	char **words = xcalloc(n + 1, sizeof(char *));
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (strncmp(option[i], AGENT_OPTION, strlen(AGENT_OPTION)) != 0 &&
		    strncmp(option[i], HUSK_OPTION, strlen(HUSK_OPTION)) != 0)
			words[kept++] = option[i];
	*ret_n = kept;
	return words;
}

static int make_file_system(const char *node, struct err *e)
{
	auto_free char *program = command_find("mkfs.ext4", e);
	const char *const argv[] = { program, "-F",     "-q", "-O",  "^has_journal", "-m", "0",
				     "-i",    "163840", "-I", "128", node,           NULL };
	const struct command mkfs = { .argv = argv };

	if (!program)
		return -1;
	if (command_run(&mkfs, deadline_in_ms(MKFS_MS), NULL, NULL, e) < 0)
		return err_wrap(e, "make a file system on '%s'", node);
	return 0;
}

static int prepare(const Grpc__Storage *s, const char *node, struct err *e)
{
	bool create = false;

	for (size_t i = 0; i < s->n_driver_options; i++) {
		const char *option = s->driver_options[i];

		if (strncmp(option, ENCRYPTION_KEY, strlen(ENCRYPTION_KEY)) == 0)
			return err_set(e, ERR_UNSUPPORTED,
				       "encrypted volumes are not possible: '%s'", option);
		create = create || strcmp(option, CREATE_FILE_SYSTEM) == 0;
	}
	if (create && strcmp(s->fstype, "ext4") != 0)
		return err_set(e, ERR_INVALID, "a file system '%s' cannot be made here", s->fstype);
	return create ? make_file_system(node, e) : 0;
}

static int block_mount(const Grpc__Storage *s, const struct mount_point *at,
		       const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_free char **words = NULL;
	auto_free char *mapped = NULL;
	auto_free char *node = NULL;
	auto_close int onto = -1;
	struct verity_params verity;
	int verified;
	size_t n;

	verified = verity_options_parse(s->options, s->n_options, &verity, e);
	if (verified < 0)
		return -1;
	words = block_mount_words(s->options, s->n_options, &n);
	if (mount_options_parse(words, n, &o, e) < 0)
		return -1;
	if (block_wait(user->devices, s->driver, s->source, &node, e) < 0 ||
	    modules_demand(s->fstype, e) < 0 || prepare(s, node, e) < 0)
		return -1;
	if (verified) {
		o.flags |= MS_RDONLY;
		if (verified_open(&verity, node, user, teardown, &mapped, e) < 0)
			return -1;
	}
	onto = mount_point_make(at, !(o.flags & MS_BIND), e);
	return onto < 0 ? -1 : mount_at(mapped ? mapped : node, at, s->fstype, &o, e);
}

const struct storage_driver block_blk = { .name = "blk", .mount = block_mount };
const struct storage_driver block_blk_ccw = { .name = "blk-ccw", .mount = block_mount };
const struct storage_driver block_mmioblk = { .name = "mmioblk", .mount = block_mount };
const struct storage_driver block_nvdimm = { .name = "nvdimm", .mount = block_mount };
const struct storage_driver block_scsi = { .name = "scsi", .mount = block_mount };

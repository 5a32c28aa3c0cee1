/* SPDX-License-Identifier: Apache-2.0 */
/* A verified device from its parameters, step by step with the way back; see mapped.h. */
#include "common/verity/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/verity/dm.h"

#define MAPPER_DIR "/dev/mapper"

/* What the kernel means by its errors when it loads a table (verity-erofs 8). */
static int load_error(int sys, const char *device, struct err *e)
{
	switch (sys) {
	case ENOENT:
		return err_set(e, ERR_UNSUPPORTED,
			       "load the verity table: the kernel lacks the hash algorithm");
	case E2BIG:
		return err_set(e, ERR_INVALID,
			       "load the verity table: '%s' is too small for its hash tree",
			       device);
	default:
		return err_sys(e, sys, "load the verity table of '%s'", device);
	}
}

static int make_node(const char *node, dev_t number, struct err *e)
{
	if (mkdir(MAPPER_DIR, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create " MAPPER_DIR);
	/* Of a device that had the same name and is gone. */
	if (unlink(node) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", node);
	if (mknod(node, S_IFBLK | 0600, number) < 0)
		return err_sys(e, errno, "create '%s'", node);
	return 0;
}

static int read_through(const struct verity_params *p, const char *node, struct err *e)
{
	auto_close int fd = open(node, O_RDONLY | O_CLOEXEC);
	auto_free char *block = xmalloc(p->data_block_size);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", node);
	n = pread(fd, block, p->data_block_size, 0);
	if (n < 0 && errno == EIO)
		return err_set(e, ERR_INVALID,
			       "verification failed: the first block does not match root hash %s",
			       p->root_hash);
	if (n < 0)
		return err_sys(e, errno, "read '%s'", node);
	if ((size_t)n < p->data_block_size)
		return err_set(e, ERR_INVALID, "'%s' is shorter than a block", node);
	return 0;
}

static int device_number(const char *device, char ret[static 32], struct err *e)
{
	struct stat st;

	if (stat(device, &st) < 0)
		return err_sys(e, errno, "stat '%s'", device);
	if (!S_ISBLK(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is no block device", device);
	(void)snprintf(ret, 32, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

static int activate(const struct verity_params *p, const char *device, const char *table,
		    const struct verity_device *v, dev_t number, struct err *e)
{
	int sys = dm_load(v->name, verity_sectors(p), table);

	if (sys)
		return load_error(sys, device, e);
	sys = dm_resume(v->name);
	if (sys)
		return err_sys(e, sys, "resume '%s'", v->name);
	if (make_node(v->node, number, e) < 0)
		return -1;
	return read_through(p, v->node, e);
}

int verity_open(const struct verity_params *p, const char *device, const char *name,
		struct verity_device *ret, struct err *e)
{
	auto_free char *table = NULL;
	struct verity_device v;
	char number[32];
	dev_t mapped = 0;
	int sys;

	if (strlen(name) > VERITY_NAME_MAX)
		return err_set(e, ERR_INVALID, "the name '%s' is longer than %u bytes", name,
			       VERITY_NAME_MAX);
	if (device_number(device, number, e) < 0)
		return -1;
	(void)snprintf(v.name, sizeof(v.name), "%s", name);
	(void)snprintf(v.node, sizeof(v.node), MAPPER_DIR "/%s", name);
	table = verity_table(p, number);

	sys = dm_prepare();
	if (sys)
		return err_sys(e, sys, "device-mapper");
	sys = dm_create(v.name, &mapped);
	if (sys == EBUSY)
		return err_set(e, ERR_EXISTS, "a device '%s' exists", v.name);
	if (sys)
		return err_sys(e, sys, "create device '%s'", v.name);
	if (activate(p, device, table, &v, mapped, e) < 0) {
		struct err late = ERR_INIT;

		if (verity_close(&v, &late) < 0)
			err_append(e, "%s", late.text);
		return -1;
	}
	*ret = v;
	return 0;
}

int verity_close(const struct verity_device *v, struct err *e)
{
	int sys = dm_remove(v->name, false);

	if (sys == EBUSY)
		sys = dm_remove(v->name, true);
	if (sys && sys != ENXIO)
		return err_sys(e, sys, "remove device '%s'", v->name);
	if (unlink(v->node) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", v->node);
	return 0;
}

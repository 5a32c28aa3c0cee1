/* SPDX-License-Identifier: Apache-2.0 */
/* SCSI addresses and the scan for them; see scsi.h. */
#include "agent/device/scsi.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"

/* virtio 1.2, 5.6.6.1: a byte of target, 14 bits of unit. */
#define TARGET_MAX 255u
#define LUN_MAX    16383u

int scsi_address_parse(const char *text, uint32_t *ret_id, uint32_t *ret_lun, struct err *e)
{
	const char *colon = strchr(text, ':');
	auto_free char *id = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	uint32_t i, l;

	if (!id || !num_u32(id, 10, &i) || !num_u32(colon + 1, 10, &l) || i > TARGET_MAX ||
	    l > LUN_MAX)
		return err_set(e, ERR_INVALID, "'%.128s' is no SCSI address", text);
	*ret_id = i;
	*ret_lun = l;
	return 0;
}

struct scan {
	const char *hosts;
	uint32_t id, lun;
};

static void scan_now(void *arg)
{
	const struct scan *s = arg;
	DIR *d = opendir(s->hosts);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		auto_free char *path = NULL;
		struct err not_this = ERR_INIT;

		if (entry->d_name[0] == '.')
			continue;
		path = xasprintf("%s/%s/scan", s->hosts, entry->d_name);
		if (file_writef(AT_FDCWD, path, &not_this, "0 %u %u", s->id, s->lun) < 0)
			continue;
	}
	if (d)
		(void)closedir(d);
}

void scsi_scan(const char *sys, uint32_t id, uint32_t lun)
{
	auto_free char *hosts = xasprintf("%s/class/scsi_host", sys);
	struct scan s = { .hosts = hosts, .id = id, .lun = lun };

	work_run(scan_now, &s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a device's number to its node, by what sysfs says of it; see node.h. */
#include "agent/device/node.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define UEVENT_MAX (64u << 10)
#define NAME_KEY   "DEVNAME="

char *device_node(mode_t type, dev_t number, struct err *e)
{
	auto_free char *path =
		xasprintf("/sys/dev/%s/%u:%u/uevent", type == S_IFBLK ? "block" : "char",
			  major(number), minor(number));
	auto_free char *uevent = NULL;
	char *name;

	if (file_read(AT_FDCWD, path, UEVENT_MAX, &uevent, NULL, e) < 0)
		return NULL;
	name = strstr(uevent, NAME_KEY);
	if (!name) {
		err_set(e, ERR_NOT_FOUND, "'%s' names no device", path);
		return NULL;
	}
	name += strlen(NAME_KEY);
	name[strcspn(name, "\n")] = '\0';
	return path_join("/dev", name);
}

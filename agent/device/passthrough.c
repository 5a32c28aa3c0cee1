/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are passed through; see passthrough.h and agent-protocol 4.4. */
#include "agent/device/passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/pci_path.h"
#include "agent/device/watch.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define DRIVER        "vfio-pci"
#define FUNCTIONS_MAX 256u

/* *ret_address: the guest's, for free(); NULL: the option has no path. */
static int wait_for_option(struct device_watch *w, const char *option, char ***pci_map,
			   char **ret_address, struct err *e)
{
	const char *path = strchr(option, '=');
	auto_free char *host = path ? xstrndup(option, (size_t)(path - option)) : xstrdup(option);
	auto_free char *entry = NULL;

	*ret_address = NULL;
	if (!path)
		return err_set(e, ERR_INVALID, "option '%s' is not of the form address=path",
			       option);
	if (pci_address_check(host, e) < 0)
		return -1;
	if (!path[1]) {
		log_warn("passed through device %s has no path in the guest", host);
		return 0;
	}
	if (device_wait_pci(w, path + 1, DEADLINE_NEVER, ret_address, e) < 0)
		return -1;
	entry = xasprintf("%s=%s", host, *ret_address);
	strv_add(pci_map, entry);
	return 0;
}

static int check_number(size_t n, struct err *e)
{
	if (n > FUNCTIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u functions", FUNCTIONS_MAX);
	return 0;
}

int passthrough_to_guest(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			 struct err *e)
{
	if (check_number(n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		auto_free char *address = NULL;

		if (wait_for_option(w, option[i], pci_map, &address, e) < 0)
			return -1;
	}
	return 0;
}

struct take {
	const char *sys, *address;
	struct err e;
};

/* The driver's probe may take its time. */
static void take_now(void *arg)
{
	struct take *t = arg;
	auto_free char *dir = xasprintf("%s/bus/pci/devices/%s", t->sys, t->address);
	auto_free char *override = path_join(dir, "driver_override");
	auto_free char *unbind = path_join(dir, "driver/unbind");
	auto_free char *probe = xasprintf("%s/bus/pci/drivers_probe", t->sys);

	if (file_writef(AT_FDCWD, override, &t->e, "%s", DRIVER) < 0)
		return;
	/* No driver has it: nothing to take it from. */
	if (file_writef(AT_FDCWD, unbind, &t->e, "%s", t->address) < 0 && t->e.sys != ENOENT)
		return;
	t->e = ERR_INIT;
	(void)!file_writef(AT_FDCWD, probe, &t->e, "%s", t->address);
}

static int take_function(const char *sys, const char *address, struct err *e)
{
	struct take t = { .sys = sys, .address = address, .e = ERR_INIT };

	work_run(take_now, &t);
	if (t.e.code == ERR_NONE)
		return 0;
	*e = t.e;
	return err_wrap(e, "bind %s to " DRIVER, address);
}

/* *group: that of the functions before; set by the first. */
static int same_group(const char *sys, const char *address, char **group, struct err *e)
{
	auto_free char *link = xasprintf("%s/bus/pci/devices/%s/iommu_group", sys, address);
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	const char *name;

	if (n < 0)
		return err_sys(e, errno, "IOMMU group of %s", address);
	target[n] = '\0';
	name = path_base(target);
	if (*group && strcmp(*group, name) != 0)
		return err_set(e, ERR_INVALID, "%s is of IOMMU group %s, those before are of %s",
			       address, name, *group);
	if (!*group)
		*group = xstrdup(name);
	return 0;
}

int passthrough_to_container(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			     char **ret_node, struct err *e)
{
	const char *sys = device_watch_sys(w);
	auto_free char *group = NULL;

	if (check_number(n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		auto_free char *address = NULL;

		if (wait_for_option(w, option[i], pci_map, &address, e) < 0)
			return -1;
		if (address &&
		    (take_function(sys, address, e) < 0 || same_group(sys, address, &group, e) < 0))
			return -1;
	}
	if (!group)
		return err_set(e, ERR_INVALID, "none of its functions is in the guest");
	return device_wait_vfio(w, group, DEADLINE_NEVER, ret_node, e);
}

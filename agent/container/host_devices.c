/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the host in a container's specification; see host_devices.h. */
#include "agent/container/host_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/device/passthrough.h"
#include "agent/device/pci_path.h"
#include "agent/device/watch.h"
#include "agent/modules.h"
#include "agent/storage/block.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/oci/message.h"

#define DEVICES_OF_HOST_MAX 256u
#define ENVIRONMENT_PREFIX  "PCIDEVICE_"
#define ADDRESS_LEN         12u     /* dddd:bb:dd.f */
#define VFIO_PREFIX         "vfio-" /* of types of devices that are passed through */

/* What the specification is to say of one device. */
struct update {
	const Grpc__Device *device;
	char *guest_node;  /* NULL: nothing, the guest's kernel has it for itself */
	bool node_is_path; /* the container gets the node at the guest's path too */
	struct stat st;
};

struct updates {
	struct update *of;
	size_t n;
};

static void updates_done(struct updates *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->of[i].guest_node);
	free(u->of);
}

static int find_disk(struct device_watch *w, const char *driver, const char *source,
		     struct update *u, struct err *e)
{
	return block_wait(w, driver, source, &u->guest_node, e);
}

static int find_blk(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	(void)pci_map;
	return find_disk(w, "blk", u->device->id, u, e);
}

static int find_blk_ccw(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	(void)pci_map;
	return find_disk(w, "blk-ccw", u->device->id, u, e);
}

static int find_scsi(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	(void)pci_map;
	return find_disk(w, "scsi", u->device->id, u, e);
}

static int find_mmio(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	(void)pci_map;
	return find_disk(w, "mmioblk", u->device->vm_path, u, e);
}

static int find_nvdimm(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	(void)pci_map;
	return find_disk(w, "nvdimm", u->device->vm_path, u, e);
}

static int find_vfio(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	if (modules_demand("vfio_pci", e) < 0)
		return -1;
	u->node_is_path = true;
	return passthrough_to_container(w, u->device->options, u->device->n_options, pci_map,
					&u->guest_node, e);
}

static int find_vfio_guest(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	return passthrough_to_guest(w, u->device->options, u->device->n_options, pci_map, e);
}

static const struct handler {
	const char *type; /* Device.type */
	int (*find)(struct device_watch *w, struct update *u, char ***pci_map, struct err *e);
} handlers[] = {
	{ "blk", find_blk },
	{ "blk-ccw", find_blk_ccw },
	{ "mmioblk", find_mmio },
	{ "nvdimm", find_nvdimm },
	{ "scsi", find_scsi },
	{ "vfio-pci", find_vfio },
	{ "vfio-pci-gk", find_vfio_guest },
};

static int check(const Grpc__Device *d, struct err *e)
{
	if (!d->type[0])
		return err_set(e, ERR_INVALID, "its type is missing");
	if (!d->id[0] && !d->vm_path[0])
		return err_set(e, ERR_INVALID, "both its id and its path in the guest are missing");
	if (!d->container_path[0])
		return err_set(e, ERR_INVALID, "its path in the container is missing");
	return 0;
}

static int find(struct device_watch *w, struct update *u, char ***pci_map, struct err *e)
{
	const Grpc__Device *d = u->device;

	if (check(d, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (strcmp(handlers[i].type, d->type) != 0)
			continue;
		if (handlers[i].find(w, u, pci_map, e) < 0)
			return -1;
		if (u->guest_node && stat(u->guest_node, &u->st) < 0)
			return err_sys(e, errno, "stat '%s'", u->guest_node);
		if (u->guest_node && !S_ISBLK(u->st.st_mode) && !S_ISCHR(u->st.st_mode))
			return err_set(e, ERR_INVALID, "'%s' is no device", u->guest_node);
		return 0;
	}
	return err_set(e, ERR_INVALID, "Failed to find the device handler %s", d->type);
}

static const char *type_name(const struct stat *st)
{
	return S_ISBLK(st->st_mode) ? "b" : "c";
}

static Grpc__LinuxDevice *find_in_spec(const Grpc__Linux *l, const char *container_path)
{
	for (size_t i = 0; i < l->n_devices; i++)
		if (strcmp(l->devices[i]->path, container_path) == 0)
			return l->devices[i];
	return NULL;
}

/* "u" of the specification is a character device as well. */
static bool same_type(const char *a, const char *b)
{
	return (a[0] == 'b') == (b[0] == 'b');
}

/* The rules that are about the host's device, in the guest's numbers, unless they are that already. */
static void rewrite_rules(Grpc__LinuxResources *r, bool *rewritten, const Grpc__LinuxDevice *host,
			  const struct stat *st)
{
	for (size_t i = 0; r && i < r->n_devices; i++) {
		Grpc__LinuxDeviceCgroup *rule = r->devices[i];

		if (rewritten[i] || rule->major != host->major || rule->minor != host->minor ||
		    !same_type(rule->type, host->type))
			continue;
		rule->major = major(st->st_rdev);
		rule->minor = minor(st->st_rdev);
		rewritten[i] = true;
	}
}

static int check_numbers(const struct updates *u, const Grpc__Linux *l, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		const char *path = u->of[i].device->container_path;
		const Grpc__LinuxDevice *a = find_in_spec(l, path);

		if (u->of[i].guest_node && !a)
			return err_set(e, ERR_INVALID, "Missing devices in OCI spec: %s", path);
		for (size_t k = 0; k < i; k++) {
			const char *other = u->of[k].device->container_path;
			const Grpc__LinuxDevice *b = find_in_spec(l, other);

			if (strcmp(path, other) == 0)
				return err_set(e, ERR_INVALID,
					       "there are two devices for '%s' in the container",
					       path);
			if (a && b && u->of[i].guest_node && u->of[k].guest_node &&
			    same_type(a->type, b->type) && a->major == b->major &&
			    a->minor == b->minor)
				return err_set(e, ERR_INVALID,
					       "'%s' and '%s' are the same device of the host",
					       path, other);
		}
	}
	return 0;
}

static void allow(Grpc__Linux *l, const struct stat *st)
{
	Grpc__LinuxResources *r = l->resources;
	Grpc__LinuxDeviceCgroup *rule = xnew(Grpc__LinuxDeviceCgroup);

	if (!r) {
		r = xnew(Grpc__LinuxResources);
		grpc__linux_resources__init(r);
		l->resources = r;
	}
	grpc__linux_device_cgroup__init(rule);
	rule->allow = true;
	rule->type = xstrdup(type_name(st));
	rule->major = major(st->st_rdev);
	rule->minor = minor(st->st_rdev);
	rule->access = xstrdup("rwm");
	r->devices = xrealloc(r->devices, (r->n_devices + 1) * sizeof(r->devices[0]));
	r->devices[r->n_devices++] = rule;
}

static void rewrite_device(Grpc__LinuxDevice *d, const struct update *u)
{
	oci_message_set(&d->type, type_name(&u->st));
	d->major = major(u->st.st_rdev);
	d->minor = minor(u->st.st_rdev);
	if (u->node_is_path)
		oci_message_set(&d->path, u->guest_node);
}

static int apply(const struct updates *u, Grpc__Spec *spec, struct err *e)
{
	size_t n_rules = spec->linux->resources ? spec->linux->resources->n_devices : 0;
	auto_free bool *rewritten = xcalloc(n_rules + 1, sizeof(bool));

	if (check_numbers(u, spec->linux, e) < 0)
		return -1;
	/* All the rules of the host first: a guest's number may be another device's on the host. */
	for (size_t i = 0; i < u->n; i++) {
		const Grpc__LinuxDevice *d =
			find_in_spec(spec->linux, u->of[i].device->container_path);

		if (u->of[i].guest_node && d)
			rewrite_rules(spec->linux->resources, rewritten, d, &u->of[i].st);
	}
	for (size_t i = 0; i < u->n; i++) {
		Grpc__LinuxDevice *d = find_in_spec(spec->linux, u->of[i].device->container_path);

		if (!u->of[i].guest_node || !d)
			continue;
		rewrite_device(d, &u->of[i]);
		allow(spec->linux, &u->of[i].st);
	}
	return 0;
}

/* One that the specification has is the host's of that name. */
static void add_node(Grpc__Linux *l, const char *path, const struct stat *st)
{
	Grpc__LinuxDevice *d = find_in_spec(l, path);

	if (!d) {
		d = xnew(Grpc__LinuxDevice);
		grpc__linux_device__init(d);
		d->path = xstrdup(path);
		d->filemode = st->st_mode & 07777;
		d->uid = st->st_uid;
		d->gid = st->st_gid;
		l->devices = xrealloc(l->devices, (l->n_devices + 1) * sizeof(d));
		l->devices[l->n_devices++] = d;
	}
	oci_message_set(&d->type, type_name(st));
	d->major = major(st->st_rdev);
	d->minor = minor(st->st_rdev);
	allow(l, st);
}

static void close_directory(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/*
 * A card for InfiniBand is used through nodes that the guest's driver of it makes, and nobody on the host can
 * name: who has been given any card gets them all.
 */
static int add_infiniband(const char *dev, Grpc__Linux *l, struct err *e)
{
	auto_free char *path = path_join(dev, "infiniband");
	CLEANUP(close_directory) DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read '%s'", path);
	while ((entry = readdir(dir))) {
		auto_free char *node = xasprintf("/dev/infiniband/%s", entry->d_name);
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISCHR(st.st_mode))
			continue;
		if (++n > DEVICES_OF_HOST_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u devices in '%s'",
				       DEVICES_OF_HOST_MAX, path);
		add_node(l, node, &st);
	}
	return 0;
}

static bool any_is_passed_through(Grpc__Device *const *device, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(device[i]->type, VFIO_PREFIX, strlen(VFIO_PREFIX)) == 0)
			return true;
	return false;
}

#define auto_updates CLEANUP(updates_done)

int host_devices_add(struct device_watch *w, Grpc__Device *const *device, size_t n,
		     Grpc__Spec *spec, char ***pci_map, struct err *e)
{
	auto_updates struct updates u = { .n = 0 };

	if (n > DEVICES_OF_HOST_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u devices of the host",
			       DEVICES_OF_HOST_MAX);
	u.of = xcalloc(n + 1, sizeof(struct update));
	for (size_t i = 0; i < n; i++) {
		u.of[u.n].device = device[i];
		if (find(w, &u.of[u.n++], pci_map, e) < 0)
			return err_wrap(e, "device '%s'", device[i]->container_path);
	}
	if (apply(&u, spec, e) < 0)
		return -1;
	return any_is_passed_through(device, n)
		       ? add_infiniband(device_watch_dev(w), spec->linux, e)
		       : 0;
}

/* The guest's address for the host's at `s`; NULL: it is none, or not in the map. Borrowed. */
static const char *mapped(const char *s, char *const *pci_map)
{
	for (size_t i = 0; pci_map[i]; i++)
		if (strncmp(pci_map[i], s, ADDRESS_LEN) == 0 && pci_map[i][ADDRESS_LEN] == '=')
			return pci_map[i] + ADDRESS_LEN + 1;
	return NULL;
}

static char *map_addresses(const char *text, char *const *pci_map)
{
	struct buf b = BUF_INIT;

	buf_add(&b, "", 0);
	while (*text) {
		const char *guest = mapped(text, pci_map);

		buf_add(&b, guest ? guest : text, guest ? strlen(guest) : 1);
		text += guest ? ADDRESS_LEN : 1;
	}
	return b.data;
}

void host_devices_map_environment(Grpc__Process *process, char *const *pci_map)
{
	for (size_t i = 0; pci_map && i < process->n_env; i++) {
		char *old = process->env[i];

		if (strncmp(old, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0)
			continue;
		process->env[i] = map_addresses(old, pci_map);
		free(old);
	}
}

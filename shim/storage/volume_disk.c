/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices and direct volumes; see volume_disk.h. */
#include "shim/storage/volume_disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define GUEST_DIR "/run/kata-containers/sandbox/storage" /* agent-protocol 3.3 */

/* *read_only: asked for; set where the device can be nothing else. */
static int plug(const struct volume_disk_params *p, const char *path, bool *read_only,
		const struct hv_device **ret, struct err *e)
{
	struct disk_file f = DISK_FILE_NONE;
	int r = disk_file_open(path, *read_only, &f, e);

	if (r < 0 && !*read_only && (e->sys == EROFS || e->sys == EACCES || e->sys == EPERM)) {
		*read_only = true;
		*e = ERR_INIT;
		r = disk_file_open(path, true, &f, e);
	}
	if (r == 0)
		r = disks_plug_shared(p->disks, &f, *read_only, p->d, p->u, ret, e);
	disk_file_close(&f);
	return r;
}

int volume_disk_device(const struct volume_disk_params *p, const char *device, const char *path,
		       bool read_only, struct err *e)
{
	const struct hv_device *plugged;

	if (plug(p, device, &read_only, &plugged, e) < 0)
		return err_wrap(e, "device '%s'", device);
	guest_request_add_device(p->r, hv_device_driver(plugged), hv_device_address(plugged), path);
	return 0;
}

static void add_group(Grpc__Storage *s, const struct direct_volume *v)
{
	if (!v->has_group)
		return;
	s->fs_group = xmalloc(sizeof(*s->fs_group));
	grpc__fsgroup__init(s->fs_group);
	s->fs_group->group_id = v->group;
	s->fs_group->group_change_policy = v->group_if_other
						   ? TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch
						   : TYPES__FSGROUP_CHANGE_POLICY__Always;
}

const struct direct_mount *volume_disk_find(const struct disks *disks, const char *source)
{
	const struct direct_mount *m = disks->direct_mounts;

	while (m && strcmp(m->source, source) != 0)
		m = m->next;
	return m;
}

static void undo_direct_mount(void *arg)
{
	struct direct_mount *m = arg, **at = &m->disks->direct_mounts;
	struct err e = ERR_INIT;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (!volume_disk_find(m->disks, m->source) &&
	    direct_volume_clear_user(m->directory, m->source, m->sandbox, &e) < 0)
		log_debug("%s", e.text); /* removed with the container still there */
	free(m->directory);
	free(m->sandbox);
	free(m->source);
	free(m->path);
	free(m->device);
	free(m);
}

static int remember(const struct volume_disk_params *p, const char *source,
		    const struct direct_volume *v, const char *path, bool read_only,
		    const struct hv_device *plugged, struct err *e)
{
	struct direct_mount *m;

	if (direct_volume_set_user(p->direct_volumes, source, p->sandbox, e) < 0)
		return -1;
	m = xnew(struct direct_mount);
	*m = (struct direct_mount){
		.next = p->disks->direct_mounts,
		.disks = p->disks,
		.directory = xstrdup(p->direct_volumes),
		.sandbox = xstrdup(p->sandbox),
		.source = xstrdup(source),
		.path = xstrdup(path),
		.device = xstrdup(v->device),
		.read_only = read_only,
		.plugged = plugged,
	};
	p->disks->direct_mounts = m;
	undo_push(p->u, "direct volume", undo_direct_mount, m);
	return 0;
}

int volume_disk_mount(const struct volume_disk_params *p, const char *source,
		      const struct direct_volume *v, char **ret_path, struct err *e)
{
	bool read_only = v->read_only;
	const struct hv_device *plugged;
	auto_free char *path = NULL;
	Grpc__Storage *s;

	if (plug(p, v->device, &read_only, &plugged, e) < 0)
		return err_wrap(e, "direct volume on '%s'", v->device);
	/* One mount for each disk, whoever uses it: named by its address, of which there is one. */
	path = xasprintf(GUEST_DIR "/%s", hv_device_address(plugged));
	for (char *c = path + strlen(GUEST_DIR "/"); *c; c++)
		if (*c == '/')
			*c = '-';
	if (remember(p, source, v, path, read_only, plugged, e) < 0)
		return -1;
	s = guest_request_add_storage(p->r, hv_device_driver(plugged), hv_device_address(plugged),
				      v->fstype, path);
	for (size_t i = 0; v->options && v->options[i]; i++)
		guest_storage_add_option(s, v->options[i]);
	if (read_only && !v->read_only)
		guest_storage_add_option(s, "ro");
	if (v->create_file_system)
		guest_storage_add_driver_option(s, "create_filesystem");
	add_group(s, v);
	*ret_path = take_ptr(path);
	return 0;
}

static bool rule_is_about(const struct oci_device_rule *r, const struct oci_device *d)
{
	return (!r->type || strcmp(r->type, "a") == 0 || strcmp(r->type, "b") == 0) &&
	       (!r->has_major || r->major < 0 || r->major == d->major) &&
	       (!r->has_minor || r->minor < 0 || r->minor == d->minor);
}

static bool is_allowed_everything(const struct oci_resources *r)
{
	for (size_t i = 0; r && i < r->n_devices; i++) {
		const struct oci_device_rule *rule = &r->devices[i];

		if (rule->allow && (!rule->type || strcmp(rule->type, "a") == 0) &&
		    (!rule->has_major || rule->major < 0) && (!rule->has_minor || rule->minor < 0))
			return true;
	}
	return false;
}

/* The last rule about it decides. */
static bool may_write(const struct oci_resources *r, const struct oci_device *d)
{
	bool may = true;

	for (size_t i = 0; r && i < r->n_devices; i++)
		if (r->devices[i].allow && rule_is_about(&r->devices[i], d))
			may = !r->devices[i].access || strchr(r->devices[i].access, 'w');
	return may;
}

/* The host's node of a device: under the name it has in the container, or the kernel's own. */
static char *host_node(const struct oci_device *d)
{
	dev_t device = makedev((unsigned)d->major, (unsigned)d->minor);
	auto_free char *uevent =
		xasprintf("/sys/dev/block/%u:%u/uevent", major(device), minor(device));
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	char *name;

	if (stat(d->path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device)
		return xstrdup(d->path);
	if (file_read(AT_FDCWD, uevent, 4096, &text, NULL, &e) < 0)
		return NULL;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return NULL;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	return xasprintf("/dev/%s", name);
}

int volume_disk_spec_devices(const struct volume_disk_params *p, const struct oci_spec *spec,
			     struct err *e)
{
	const struct oci_resources *r = spec->linux.resources;

	if (is_allowed_everything(r))
		return 0;
	for (size_t i = 0; i < spec->linux.n_devices; i++) {
		const struct oci_device *d = &spec->linux.devices[i];
		auto_free char *node = strcmp(d->type, "b") == 0 ? host_node(d) : NULL;

		if (strcmp(d->type, "b") != 0)
			continue;
		if (!node) {
			log_warn("block device '%s' (%lld:%lld) is not there on the host", d->path,
				 (long long)d->major, (long long)d->minor);
			continue;
		}
		if (volume_disk_device(p, node, d->path, !may_write(r, d), e) < 0)
			return -1;
	}
	return 0;
}

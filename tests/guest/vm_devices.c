/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of a test's virtual machine; see vm_devices.h. */
#include "tests/guest/vm_devices.h"

#include <fcntl.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "hypervisor/qemu/qemu.h"

#define DEVICES_MAX 4096u
#define EXTENTS_MAX 1024u
#define PLUG_MS     30000

static struct hv_device *devices[DEVICES_MAX];

static bool flag(const struct json *v, const char *name)
{
	bool set = false;

	(void)json_bool(json_get(v, name), &set);
	return set;
}

static int open_extents(const struct json *spec, struct hv_disk *disk, struct hv_extent *extents,
			struct err *e)
{
	int how = (disk->read_only ? O_RDONLY : O_RDWR) | (disk->direct ? O_DIRECT : 0);

	for (size_t i = 0; i < json_len(spec) && i < EXTENTS_MAX; i++) {
		const struct json *v = json_at(spec, i);
		struct hv_extent *x = &extents[i];

		x->name = json_string(json_get(v, "file"));
		x->fd = open(x->name ? x->name : "", how | O_CLOEXEC);
		if (x->fd < 0)
			return err_sys(e, errno, "open '%s'", x->name);
		disk->n_extents++;
		(void)json_u64(json_get(v, "offset"), &x->offset);
		(void)json_u64(json_get(v, "length"), &x->length);
	}
	return 0;
}

static int plug_open(struct hv *hv, const struct hv_disk *disk, char **ret, struct err *e)
{
	int64_t begun = clock_now_ns();
	size_t i = 0;

	while (i < DEVICES_MAX - 1 && devices[i])
		i++;
	if (hv_plug_disk(hv, disk, deadline_in_ms(PLUG_MS), &devices[i], e) < 0)
		return -1;
	*ret = json_object("u:device", (unsigned long long)i, "s:driver",
			   hv_device_driver(devices[i]), "s:address", hv_device_address(devices[i]),
			   "i:us", (long long)(clock_now_ns() - begun) / 1000, NULL);
	return 0;
}

static int plug(struct hv *hv, const struct json *v, char **ret, struct err *e)
{
	auto_free struct hv_extent *extents = xcalloc(EXTENTS_MAX, sizeof(*extents));
	struct hv_disk disk = {
		.extents = extents,
		.read_only = flag(v, "read_only"),
		.shared = flag(v, "shared"),
		.direct = flag(v, "direct"),
		.discard = flag(v, "discard"),
	};
	int r = open_extents(json_get(v, "extents"), &disk, extents, e);

	if (r == 0)
		r = plug_open(hv, &disk, ret, e);
	for (size_t i = 0; i < disk.n_extents; i++)
		(void)close(extents[i].fd);
	return r;
}

static int unplug(struct hv *hv, uint64_t i, int64_t limit_ms, char **ret, struct err *e)
{
	int64_t begun = clock_now_ns();

	if (i >= DEVICES_MAX || !devices[i])
		return err_set(e, ERR_NOT_FOUND, "no such device");
	if (hv_unplug(hv, devices[i], deadline_in_ms(limit_ms), e) < 0)
		return -1;
	devices[i] = NULL;
	*ret = json_object("i:us", (long long)(clock_now_ns() - begun) / 1000, NULL);
	return 0;
}

static int ask_qemu(struct hv *hv, const char *command, char **ret, struct err *e)
{
	const struct qemu *q = hv->driver;
	auto_json struct json *root = NULL;
	const struct json *list = NULL;

	if (qmp_call(q->qmp, command, NULL, -1, deadline_in_ms(PLUG_MS), &root, &list, e) < 0)
		return -1;
	*ret = json_object("u:count", (unsigned long long)json_len(list), NULL);
	return 0;
}

char *vm_devices_answer(struct hv *hv, const char *line, size_t len)
{
	auto_json struct json *root = NULL;
	struct err e = ERR_INIT;
	int64_t limit_ms = PLUG_MS;
	char *ret = NULL;
	uint64_t device;
	int r = json_parse(line, len, &root, &e);

	(void)json_i64(json_get(root, "limit_ms"), &limit_ms);
	if (r == 0 && json_get(root, "plug"))
		r = plug(hv, json_get(root, "plug"), &ret, &e);
	else if (r == 0 && json_u64(json_get(root, "unplug"), &device))
		r = unplug(hv, device, limit_ms, &ret, &e);
	else if (r == 0 && json_string(json_get(root, "qmp")))
		r = ask_qemu(hv, json_string(json_get(root, "qmp")), &ret, &e);
	else if (r == 0)
		r = err_set(&e, ERR_INVALID, "unknown request");
	return r < 0 ? json_object("s:error", e.text, NULL) : ret;
}

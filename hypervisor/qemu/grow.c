/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors and memory for a running QEMU; see grow.h.
 *
 * Each processor is a device_add with the place in the topology that query-hotpluggable-cpus offers;
 * memory is a backend, object-add, and a module of it, device_add pc-dimm. The guest's kernel says
 * through ACPI (_OST) whether it has taken a device: then it is there to stay. Until then everything is
 * on an undo stack.
 */
#include "hypervisor/qemu/grow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "hypervisor/qemu/device.h"
#include "hypervisor/size.h"

#define MIB (UINT64_C(1) << 20)

/* ACPI specification 6.5, 6.3.5: _OST, status of an insertion. */
#define OST_TAKEN       0x00
#define OST_IN_PROGRESS 0x80

/* A device that the guest's kernel is to notice; on the stack of the fiber that waits. */
struct arriving {
	const char *id;
	bool taken, refused;
	uint64_t status; /* of the refusal */
	struct arriving *next;
};

static void on_status(const char *event, const struct json *data, void *arg)
{
	const struct qemu *q = arg;
	const struct json *info = json_get(data, "info");
	const char *id = json_string(json_get(info, "device"));
	uint64_t status;

	(void)event;
	if (!id || !json_u64(json_get(info, "status"), &status) || status == OST_IN_PROGRESS)
		return;
	for (struct arriving *a = q->arriving; a; a = a->next) {
		if (strcmp(a->id, id) != 0)
			continue;
		a->taken = status == OST_TAKEN;
		a->refused = !a->taken;
		a->status = status;
	}
}

void qemu_watch_arrivals(struct qemu *q)
{
	qmp_watch(q->qmp, "ACPI_DEVICE_OST", on_status, q);
}

/* `a` is in q->arriving since before device_add: the news may come before its answer. */
static int wait_taken(struct qemu *q, const struct arriving *a, struct deadline d, struct err *e)
{
	while (!a->taken && !a->refused)
		if (qmp_wait_event(q->qmp, d, e) < 0)
			return err_wrap(e, "wait for the guest's kernel to take the device");
	return a->taken ? 0
			: err_set(e, ERR_STATE,
				  "the guest's kernel refuses the device (ACPI status 0x%" PRIx64
				  ")",
				  a->status);
}

static int add_and_wait(struct qemu_device *dev, const char *arguments, struct undo *u,
			struct deadline d, struct err *e)
{
	struct qemu *q = dev->hv->driver;
	struct arriving a = { .id = dev->id, .next = q->arriving };
	struct arriving **at = &q->arriving;
	int r;

	q->arriving = &a;
	r = qemu_device_add(dev, arguments, u, d, e);
	if (r == 0) {
		undo_push(u, "device", qemu_device_withdraw, dev);
		r = wait_taken(q, &a, d, e);
	}
	while (*at != &a)
		at = &(*at)->next;
	*at = a.next;
	return r;
}

/* ---- Processors ---- */

/* What of its place device_add is told: all that QEMU names but the NUMA node, which follows. */
static char *vcpu_arguments(const struct json *free_place, const char *id)
{
	static const char *const names[] = { "socket-id",  "die-id",  "module-id",
					     "cluster-id", "core-id", "thread-id" };
	const struct json *props = json_get(free_place, "props");
	auto_buf struct buf b = BUF_INIT;
	auto_free char *driver = json_quote(json_string(json_get(free_place, "type")));
	uint64_t number;

	buf_addf(&b, "{\"driver\":%s,\"id\":\"%s\"", driver, id);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (json_u64(json_get(props, names[i]), &number))
			buf_addf(&b, ",\"%s\":%" PRIu64, names[i], number);
	buf_addf(&b, "}");
	return take_ptr(b.data);
}

/* The first place without a processor; QEMU lists the last one first. */
static const struct json *find_place(const struct json *places)
{
	for (size_t i = json_len(places); i-- > 0;) {
		const struct json *place = json_at(places, i);

		if (!json_get(place, "qom-path") && json_string(json_get(place, "type")))
			return place;
	}
	return NULL;
}

static int add_vcpu(struct qemu_device *dev, struct undo *u, struct deadline d, struct err *e)
{
	struct qemu *q = dev->hv->driver;
	auto_json struct json *root = NULL;
	const struct json *places = NULL, *place;
	auto_free char *arguments = NULL;

	if (qmp_call(q->qmp, "query-hotpluggable-cpus", NULL, -1, d, &root, &places, e) < 0)
		return -1;
	place = find_place(places);
	if (!place)
		return err_set(e, ERR_EXHAUSTED, "QEMU has no place for another CPU");
	arguments = vcpu_arguments(place, dev->id);
	return add_and_wait(dev, arguments, u, d, e);
}

int qemu_add_vcpus(struct hv *hv, uint32_t n, struct deadline d, struct err *e)
{
	struct qemu *q = hv->driver;
	auto_free struct qemu_device *devices = xcalloc(n, sizeof(*devices));
	auto_undo struct undo u = UNDO_INIT;

	for (uint32_t i = 0; i < n; i++) {
		auto_free char *id = xasprintf("cpu%" PRIu64, ++q->last_id);

		qemu_device_init(&devices[i], hv, id);
		if (add_vcpu(&devices[i], &u, deadline_min(d, deadline_in_ms(HV_GROW_MS)), e) < 0)
			return -1;
	}
	undo_forget(&u); /* they stay */
	return 0;
}

/* ---- Memory ---- */

struct module {
	struct qemu_device device;
	char backend[DEVICE_ID_MAX];
};

static void remove_backend(void *arg)
{
	struct module *m = arg;
	auto_free char *arguments = json_object("s:id", m->backend, NULL);

	qemu_device_give_back(&m->device, "object-del", arguments);
}

/* Where others map the guest's memory they must be able to map this part, too. */
static int add_backend(struct module *m, uint64_t mib, struct undo *u, struct deadline d,
		       struct err *e)
{
	const struct qemu *q = m->device.hv->driver;
	unsigned long long bytes = mib * MIB;
	auto_free char *arguments =
		q->memory_shared
			? json_object("s:qom-type", "memory-backend-memfd", "s:id", m->backend,
				      "u:size", bytes, "b:share", true, "b:seal", true, NULL)
			: json_object("s:qom-type", "memory-backend-ram", "s:id", m->backend,
				      "u:size", bytes, NULL);
	int r = qmp_call(q->qmp, "object-add", arguments, -1, d, NULL, NULL, e);

	if (r == 0 || qemu_may_be_done(e))
		undo_push(u, "memory backend", remove_backend, m);
	return r;
}

int qemu_add_memory(struct hv *hv, uint64_t mib, struct deadline d, struct err *e)
{
	struct qemu *q = hv->driver;
	struct deadline limit = deadline_min(d, deadline_in_ms(HV_GROW_MS));
	struct module m = { .backend = "" };
	auto_free char *id = xasprintf("dimm%" PRIu64, ++q->last_id);
	auto_undo struct undo u = UNDO_INIT;
	auto_free char *arguments = NULL;

	qemu_device_init(&m.device, hv, id);
	(void)snprintf(m.backend, sizeof(m.backend), "memory%" PRIu64, q->last_id);
	arguments = json_object("s:driver", "pc-dimm", "s:id", m.device.id, "s:memdev", m.backend,
				NULL);
	if (add_backend(&m, mib, &u, limit, e) < 0 ||
	    add_and_wait(&m.device, arguments, &u, limit, e) < 0)
		return -1;
	undo_forget(&u); /* it stays */
	return 0;
}

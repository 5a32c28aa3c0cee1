/* SPDX-License-Identifier: Apache-2.0 */
/* A QEMU for tests of its driver; see fake_qemu.h. */
#include "tests/unit/hypervisor/fake_qemu.h"

#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/socket.h>

#include "common/async/io.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "hypervisor/qemu/args.h"
#include "hypervisor/qemu/device.h"
#include "hypervisor/qemu/grow.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static void say(struct fake_qemu *f, const char *text)
{
	struct err e = ERR_INIT;

	/* The client may have gone. */
	if (io_write(f->io, text, strlen(text), deadline_in_ms(PATIENCE_MS), &e) < 0)
		return;
}

static int find(const struct fake_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->row[i].name, name) == 0)
			return (int)i;
	return -1;
}

static const char *add(struct fake_names *names, const char *name, const char *uses,
		       const char *bus)
{
	if (find(names, name) >= 0)
		return "Duplicate name";
	for (size_t i = 0; *bus && i < names->n; i++)
		if (strcmp(names->row[i].bus, bus) == 0)
			return "slot is in use";
	assert_true(names->n < FAKE_NAMES_MAX);
	(void)snprintf(names->row[names->n].name, sizeof(names->row[0].name), "%s", name);
	(void)snprintf(names->row[names->n].uses, sizeof(names->row[0].uses), "%s", uses);
	(void)snprintf(names->row[names->n].bus, sizeof(names->row[0].bus), "%s", bus);
	names->n++;
	return NULL;
}

static const char *drop(struct fake_names *names, const char *name)
{
	int i = find(names, name);

	if (i < 0)
		return "not found";
	names->row[i] = names->row[--names->n];
	return NULL;
}

static const char *text(const struct json *v, const char *name)
{
	const char *s = json_string(json_get(v, name));

	return s ? s : "";
}

#define CPUS 4 /* places; the first one has a processor since the start */

static bool is_vcpu(const char *id)
{
	return strncmp(id, "cpu", 3) == 0;
}

/* As QEMU does: the last place first. */
static char *list_places(const struct fake_qemu *f)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "[");
	for (unsigned i = CPUS; i-- > 0;) {
		bool there = i == 0;

		for (size_t k = 0; k < f->devices.n; k++)
			there = there || strcmp(f->devices.row[k].bus,
						(char[]){ 'c', (char)('0' + i), '\0' }) == 0;
		buf_addf(
			&b,
			"{\"props\":{\"core-id\":%u,\"thread-id\":0,\"node-id\":0,\"socket-id\":0},"
			"\"vcpus-count\":1%s,\"type\":\"max-x86_64-cpu\"}%s",
			i, there ? ",\"qom-path\":\"/machine\"" : "", i > 0 ? "," : "]");
	}
	return b.data;
}

static const char *add_vcpu(struct fake_qemu *f, const struct json *v)
{
	uint64_t core = 0;
	char place[8];

	if (!json_u64(json_get(v, "core-id"), &core) || core >= CPUS || json_get(v, "node-id"))
		return "no such place";
	(void)snprintf(place, sizeof(place), "c%u", (unsigned)core);
	return add(&f->devices, text(v, "id"), "", place);
}

static const char *add_device(struct fake_qemu *f, const struct json *v)
{
	const char *node = *text(v, "netdev") ? text(v, "netdev") : text(v, "drive");
	char bus[FAKE_NAME_MAX];
	uint64_t lun = 0;

	if (is_vcpu(text(v, "id")))
		return add_vcpu(f, v);
	if (*text(v, "memdev"))
		return find(&f->nodes, text(v, "memdev")) < 0
			       ? "no such backend"
			       : add(&f->devices, text(v, "id"), text(v, "memdev"), "");

	(void)json_u64(json_get(v, "lun"), &lun);
	(void)snprintf(bus, sizeof(bus), "%.8s%.12s:%u", text(v, "bus"), text(v, "devno"),
		       (unsigned)lun);
	if (*node && find(&f->nodes, node) < 0)
		return "no such node";
	return add(&f->devices, text(v, "id"), node, bus);
}

static void release(struct fake_qemu *f, const char *id)
{
	auto_free char *inner = json_object("s:path", "/machine/peripheral/x/virtio-backend", NULL);
	auto_free char *child = json_object("s:event", "DEVICE_DELETED", "o:data", inner, NULL);
	auto_free char *data = json_object("s:device", id, "s:path", "/machine/peripheral/x", NULL);
	auto_free char *event = json_object("s:event",
					    f->guest == GUEST_REFUSES ? "DEVICE_UNPLUG_GUEST_ERROR"
								      : "DEVICE_DELETED",
					    "o:data", data, NULL);
	struct err e = ERR_INIT;

	if (f->guest == GUEST_SLEEPS)
		return;
	if (f->guest == GUEST_RELEASES) {
		say(f, child);
		say(f, "\n");
		/* Who takes the child's event for its own finds the node in use. */
		assert_int_equal(fiber_sleep_ms(5, &e), 0);
		(void)drop(&f->devices, id);
	}
	say(f, event);
	say(f, "\n");
}

static const char *delete_node(struct fake_qemu *f, const char *node)
{
	for (size_t i = 0; i < f->devices.n; i++)
		if (strcmp(f->devices.row[i].uses, node) == 0)
			return "Node is in use";
	return drop(&f->nodes, node);
}

/* A backend takes the descriptors that were handed over by name. */
static const char *add_backend(struct fake_qemu *f, const struct json *v, const char *name)
{
	auto_free char *list = xasprintf("%s:%s", text(v, "fds"), text(v, "vhostfds"));
	char *rest = list, *fd;

	while ((fd = strsep(&rest, ":")))
		if (*fd && drop(&f->sets, fd))
			return "no such descriptor";
	return add(&f->nodes, name, "", "");
}

/* What a command is about: an id, a name or the number of a set. */
static void name_of(const struct json *v, char name[static FAKE_NAME_MAX])
{
	uint64_t set;

	if (json_u64(json_get(v, "fdset-id"), &set))
		(void)snprintf(name, FAKE_NAME_MAX, "%u", (unsigned)set);
	else
		(void)snprintf(name, FAKE_NAME_MAX, "%s%s%s", text(v, "node-name"), text(v, "id"),
			       text(v, "fdname"));
}

/* Processors and memory are the guest's when its kernel says so. */
static void announce(struct fake_qemu *f, const char *id)
{
	auto_free char *info = json_object("s:device", id, "u:source", 1ull, "u:status",
					   (unsigned long long)f->ost, "s:slot", "0", NULL);
	auto_free char *data = json_object("o:info", info, NULL);
	auto_free char *event = json_object("s:event", "ACPI_DEVICE_OST", "o:data", data, NULL);

	if (f->ignores || (!is_vcpu(id) && strncmp(id, "dimm", 4) != 0))
		return;
	say(f, event);
	say(f, "\n");
}

/* NULL, or why not. */
static const char *obey(struct fake_qemu *f, const char *command, const struct json *v,
			const char *name)
{
	if (strcmp(command, "add-fd") == 0 || strcmp(command, "getfd") == 0)
		return add(&f->sets, name, "", "");
	if (strcmp(command, "remove-fd") == 0 || strcmp(command, "closefd") == 0)
		return drop(&f->sets, name);
	if (strcmp(command, "netdev_add") == 0)
		return add_backend(f, v, name);
	if (strcmp(command, "blockdev-add") == 0 || strcmp(command, "object-add") == 0)
		return add(&f->nodes, name, "", "");
	if (strcmp(command, "block_resize") == 0)
		return find(&f->nodes, name) < 0 ? "no such node" : NULL;
	if (strcmp(command, "query-hotpluggable-cpus") == 0 ||
	    strcmp(command, "x-query-virtio-status") == 0)
		return NULL;
	if (strcmp(command, "blockdev-del") == 0 || strcmp(command, "netdev_del") == 0 ||
	    strcmp(command, "object-del") == 0)
		return delete_node(f, name);
	if (strcmp(command, "device_add") == 0)
		return add_device(f, v);
	if (strcmp(command, "device_del") == 0)
		return find(&f->devices, name) < 0 ? "no such device" : NULL;
	return "no such command";
}

/* As QEMU 7.2 says it. */
static char *describe_status(struct fake_qemu *f)
{
	const char *ready = ++f->looks < f->driver_ready_at
				    ? ""
				    : ",\"VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready\"";

	return xasprintf("{\"name\":\"vhost-user-vsock\",\"status\":{\"statuses\":"
			 "[\"VIRTIO_CONFIG_S_DRIVER: Guest OS compatible with device\"%s]}}",
			 ready);
}

static void answer(struct fake_qemu *f, const struct json *v)
{
	const char *command = text(v, "execute");
	const struct json *arguments = json_get(v, "arguments");
	char name[FAKE_NAME_MAX], why[64] = "";
	bool deletes = strcmp(command, "device_del") == 0;
	bool lists = strcmp(command, "query-hotpluggable-cpus") == 0;
	bool describes = strcmp(command, "x-query-virtio-status") == 0;
	uint64_t id = 0;

	(void)json_u64(json_get(v, "id"), &id);
	name_of(arguments, name);
	f->asked++;
	if (f->asked >= f->refuse_from && f->asked <= f->refuse_to)
		(void)snprintf(why, sizeof(why), "refused %d", f->asked);
	else
		(void)snprintf(why, sizeof(why), "%s", obey(f, command, arguments, name) ?: "");
	buf_addf(&f->log, "%s%s %s; ", *why ? "!" : "", command, name);
	if (!*why && strcmp(command, "device_add") == 0)
		announce(f, name);
	if (!f->silent || strcmp(f->silent, command) != 0) {
		auto_free char *list = lists       ? list_places(f)
				       : describes ? describe_status(f)
						   : xstrdup("{}");
		auto_free char *line =
			*why ? xasprintf(
				       "{\"error\":{\"class\":\"%s\",\"desc\":\"%s\"},\"id\":%u}\n",
				       strcmp(why, "no such device") == 0 ? "DeviceNotFound"
									  : "GenericError",
				       why, (unsigned)id)
			     : xasprintf("{\"return\":%s,\"id\":%u}\n", list, (unsigned)id);

		say(f, line);
	}
	if (deletes && !*why)
		release(f, name);
}

static void serve(void *arg)
{
	struct fake_qemu *f = arg;
	struct err e = ERR_INIT;
	char *newline;

	for (;;) {
		ssize_t n = io_read(f->io, buf_reserve(&f->in, 4096), 4096, DEADLINE_NEVER, &e);

		if (n <= 0)
			return;
		f->in.len += (size_t)n;
		while (f->in.len > 0 && (newline = memchr(f->in.data, '\n', f->in.len))) {
			size_t len = (size_t)(newline - f->in.data);
			auto_json struct json *v = NULL;

			assert_ok(json_parse(f->in.data, len, &v, &e), &e);
			buf_drop_front(&f->in, len + 1);
			answer(f, v);
		}
	}
}

void fake_qemu_start(struct fake_qemu *f, const char *machine_type, const char *disk_driver)
{
	struct err e = ERR_INIT;
	int fds[2];

	memset(f, 0, sizeof(*f));
	f->config.hypervisor.machine_type = TEXT(machine_type);
	f->config.hypervisor.block_device_driver = TEXT(disk_driver);
	f->config.hypervisor.block_device_aio = TEXT("threads");
	f->config.hypervisor.queue_size = 128;
	f->config.hypervisor.num_queues = 1;
	f->hv.ops = &hv_qemu_ops;
	f->hv.spec.config = &f->config;
	f->hv.spec.size = (struct sizing){ .vcpus = 1,
					   .max_vcpus = CPUS,
					   .memory_mib = 256,
					   .max_memory_mib = 1024,
					   .memory_slots = 2 };
	f->hv.driver = &f->qemu;
	f->qemu.hv = &f->hv;
	slots_init(&f->qemu.slots, qemu_has_channels(&f->config) ? SLOT_CHANNEL : SLOT_PORT);
	slots_init(&f->qemu.units, SLOT_UNIT);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	f->io = io_consume(fds[0], &e);
	assert_non_null(f->io);
	f->qemu.qmp = qmp_new_consume(fds[1], &e);
	assert_non_null(f->qemu.qmp);
	qemu_watch_devices(&f->qemu);
	qemu_watch_arrivals(&f->qemu);
	fiber_group_start(&f->peer, "fake QEMU", serve, f);
}

void fake_qemu_log_clear(struct fake_qemu *f)
{
	f->log.len = 0;
	buf_addf(&f->log, "%s", "");
	f->asked = 0;
}

void fake_qemu_close(struct fake_qemu *f)
{
	io_shutdown(f->io);
	fiber_group_wait(&f->peer);
}

void fake_qemu_stop(struct fake_qemu *f)
{
	qmp_shutdown(f->qemu.qmp);
	hv_wait_device_calls(&f->hv);
	hv_free_devices(&f->hv);
	fake_qemu_close(f);
	qmp_free(f->qemu.qmp);
	io_free(f->io);
	buf_done(&f->in);
	buf_done(&f->log);
}

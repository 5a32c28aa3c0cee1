/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that is none; see fake_hv.h. */
#include "tests/unit/shim/fake_hv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/unix.h"
#include "common/rpc/server.h"
#include "health.pb-c.h"
#include "hypervisor/device.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/size.h"

struct fake_hv fake_hv;

struct hv {
	struct transport_address agent;
	struct io *listener;
	int port; /* the other end of agent.fd; -1: none */
	struct fiber_group fibers;
	bool dead, ending;
	struct err why;
	struct cond died, silence;
};
static struct hv *current;

static void append(char *to, size_t room, const char *what)
{
	size_t n = strlen(to);

	(void)snprintf(to + n, room - n, "%s%s", n ? " " : "", what);
}

/* Everything that the agent would mount or hand on. */
static void note_request(const Grpc__CreateContainerRequest *r)
{
	auto_buf struct buf b = BUF_INIT;

	for (size_t i = 0; i < r->n_storages; i++) {
		const Grpc__Storage *s = r->storages[i];

		buf_addf(&b, "%s %s %s %s", s->driver, s->source, s->fstype, s->mount_point);
		for (size_t k = 0; k < s->n_options; k++)
			buf_addf(&b, "%s%s", k ? "," : " ", s->options[k]);
		for (size_t k = 0; k < s->n_driver_options; k++)
			buf_addf(&b, " +%s", s->driver_options[k]);
		if (s->fs_group)
			buf_addf(&b, " group %u", s->fs_group->group_id);
		buf_addf(&b, "\n");
	}
	for (size_t i = 0; i < r->n_devices; i++)
		buf_addf(&b, "device %s %s %s\n", r->devices[i]->type, r->devices[i]->id,
			 r->devices[i]->container_path);
	(void)snprintf(fake_hv.request, sizeof(fake_hv.request), "%s", b.data ? b.data : "");
	(void)snprintf(fake_hv.rootfs, sizeof(fake_hv.rootfs), "%s", r->oci->root->path);
	fake_hv.root_readonly = r->oci->root->readonly;
}

static int answer(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	bool lost = fake_hv.lost_calls > 0 && fake_hv.lost_calls-- > 0;

	append(fake_hv.methods, sizeof(fake_hv.methods), call->method);
	while ((fake_hv.silent || lost) && current && !current->ending)
		if (cond_wait(&current->silence, DEADLINE_NEVER, e) < 0)
			return -1;
	if (fake_hv.refuse && strcmp(fake_hv.refuse, call->method) == 0)
		return err_set(e, ERR_INTERNAL, "refused by the script");
	if (strcmp(call->method, "GetGuestDetails") == 0)
		((Grpc__GuestDetailsResponse *)resp)->mem_block_size_bytes =
			fake_hv.no_memory_hotplug ? 0 : 128u << 20;
	if (strcmp(call->method, "CreateContainer") == 0)
		note_request(req);
	if (strcmp(call->method, "CreateSandbox") == 0) {
		const Grpc__CreateSandboxRequest *r = req;

		for (size_t i = 0; i < r->n_storages; i++)
			append(fake_hv.storages, sizeof(fake_hv.storages),
			       r->storages[i]->mount_point);
	}
	return 0;
}

static int check(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	Grpc__HealthCheckResponse *r = resp;

	r->status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	return answer(call, req, resp, e);
}

static void serve(void *arg)
{
	static const struct rpc_method health_methods[] = { { "Check", check, 0 } };
	static const struct rpc_method agent_methods[] = {
		{ "CreateSandbox", answer, 0 },   { "DestroySandbox", answer, 0 },
		{ "CreateContainer", answer, 0 }, { "RemoveContainer", answer, 0 },
		{ "GetGuestDetails", answer, 0 }, { "SetGuestDateTime", answer, 0 },
		{ "OnlineCPUMem", answer, 0 },    { "UpdateContainer", answer, 0 },
	};
	static const struct rpc_service health = { .desc = &grpc__health__descriptor,
						   .methods = health_methods,
						   .n_methods = 1 };
	static const struct rpc_service agent = { .desc = &grpc__agent_service__descriptor,
						  .methods = agent_methods,
						  .n_methods = ARRAY_LEN(agent_methods) };
	static const struct rpc_service *const services[] = { &health, &agent };

	rpc_serve(arg, services, ARRAY_LEN(services));
}

static void accept_all(void *arg)
{
	struct hv *hv = arg;
	struct err e = ERR_INIT;
	int fd;

	while ((fd = io_accept(hv->listener, DEADLINE_NEVER, &e)) >= 0) {
		struct io *conn = io_consume(fd, &e);

		if (conn)
			fiber_group_start(&hv->fibers, "scripted agent", serve, conn);
	}
}

static void make_stream(struct hv *hv)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	hv->agent.kind = TRANSPORT_SERIAL_STREAM;
	hv->agent.fd = ends[0];
	hv->port = ends[1];
}

void fake_hv_hang_up(void)
{
	(void)close(current->port);
	current->port = -1;
}

int hv_start(const struct hv_spec *spec, struct deadline d, struct hv **ret, struct err *e)
{
	struct hv *hv = xnew(struct hv);
	int fd;

	(void)d;
	hv->agent.kind = TRANSPORT_UNIX;
	(void)snprintf(hv->agent.path, sizeof(hv->agent.path), "%s/agent.sock", spec->run_dir);
	fd = unix_listen(hv->agent.path, e);
	if (fd < 0) {
		free(hv);
		return -1;
	}
	hv->listener = io_consume(fd, e);
	if (!hv->listener)
		abort();
	fiber_group_start(&hv->fibers, "scripted agent's door", accept_all, hv);
	hv->port = -1;
	if (fake_hv.stream)
		make_stream(hv);
	fake_hv.had_share = spec->share_dir && access(spec->share_dir, R_OK) == 0;
	fake_hv.had_cgroup = spec->cgroup && access(spec->cgroup, R_OK) == 0;
	fake_hv.vcpus = spec->size.vcpus;
	fake_hv.mib = (unsigned)spec->size.memory_mib;
	fake_hv.running++;
	current = hv;
	*ret = hv;
	return 0;
}

void hv_stop(struct hv *hv)
{
	hv->ending = true;
	cond_wake_all(&hv->silence);
	io_shutdown(hv->listener);
	fiber_group_cancel(&hv->fibers);
	fiber_group_wait(&hv->fibers);
}

void hv_free(struct hv *hv)
{
	if (!hv)
		return;
	hv_stop(hv);
	io_free(hv->listener);
	if (fake_hv.stream)
		(void)close(hv->agent.fd);
	close_slot(&hv->port);
	fake_hv.running--;
	current = NULL;
	free(hv);
}

void fake_hv_die(const char *why)
{
	err_set(&current->why, ERR_UNAVAILABLE, "%s", why);
	current->dead = true;
	cond_wake_all(&current->died);
}

int hv_wait_dead(struct hv *hv, struct deadline d, struct err *why, struct err *e)
{
	while (!hv->dead)
		if (cond_wait(&hv->died, d, e) < 0)
			return -1;
	*why = hv->why;
	return 0;
}

struct hv_dead_process hv_dead_process(const struct hv *hv)
{
	(void)hv;
	return (struct hv_dead_process){ .name = NULL };
}

pid_t hv_pid(const struct hv *hv)
{
	(void)hv;
	return 4242;
}

const char *hv_nic_address(const struct hv *hv, size_t nic)
{
	(void)hv;
	(void)nic;
	return "10";
}

int hv_plug_nic(struct hv *hv, const struct hv_nic *nic, const char *name, struct deadline d,
		struct hv_device **ret, struct err *e)
{
	(void)hv;
	(void)nic;
	(void)d;
	(void)ret;
	return err_set(e, ERR_UNSUPPORTED, "plug '%s' into no machine", name);
}

void hv_wait_agent_channel(struct hv *hv, struct deadline d)
{
	(void)hv;
	(void)d;
}

const struct transport_address *hv_agent_address(const struct hv *hv)
{
	return &hv->agent;
}

const char *hv_last_words(struct hv *hv)
{
	(void)hv;
	return fake_hv.last_words ? fake_hv.last_words : "";
}

int hv_clean_up(const char *run_dir, struct err *e)
{
	(void)run_dir;
	fake_hv.cleaned++;
	return fake_hv.refuse_clean ? err_set(e, ERR_TIMEOUT, "qemu does not end") : 0;
}

/* As with a real machine, what is still plugged in when it ends goes with it. */
static struct hv_device {
	char address[16];
} devices[64];

int hv_plug_disk(struct hv *hv, const struct hv_disk *disk, struct deadline d,
		 struct hv_device **ret, struct err *e)
{
	struct hv_device *dev;

	(void)hv;
	(void)d;
	if (fake_hv.no_disks)
		return err_set(e, ERR_UNSUPPORTED, "no disks here");
	fiber_yield();
	if (fake_hv.refuse_plug > 0 && --fake_hv.refuse_plug == 0)
		return err_set(e, ERR_EXHAUSTED, "no slot is free");
	append(fake_hv.plugged, sizeof(fake_hv.plugged), disk->read_only ? "ro:" : "rw:");
	for (size_t i = 0; i < disk->n_extents; i++) {
		size_t n = strlen(fake_hv.plugged);

		(void)snprintf(fake_hv.plugged + n, sizeof(fake_hv.plugged) - n, "%s%s",
			       i ? "," : "", path_base(disk->extents[i].name));
	}
	dev = &devices[fake_hv.plugs % ARRAY_LEN(devices)];
	(void)snprintf(dev->address, sizeof(dev->address), "%02x/00", fake_hv.plugs++);
	fake_hv.disks++;
	*ret = dev;
	return 0;
}

const char *hv_device_driver(const struct hv_device *dev)
{
	(void)dev;
	return "blk";
}

const char *hv_device_address(const struct hv_device *dev)
{
	return dev->address;
}

int hv_unplug(struct hv *hv, struct hv_device *dev, struct deadline d, struct err *e)
{
	(void)hv;
	(void)dev;
	(void)d;
	fiber_yield();
	fake_hv.disks--;
	return fake_hv.refuse_unplug ? err_set(e, ERR_TIMEOUT, "the guest does not let go") : 0;
}

uint32_t hv_vcpus(const struct hv *hv)
{
	(void)hv;
	return fake_hv.vcpus;
}

uint64_t hv_memory_mib(const struct hv *hv)
{
	(void)hv;
	return fake_hv.mib;
}

static int grow(unsigned *what, unsigned by, struct err *e)
{
	fiber_yield();
	if (fake_hv.refuse_growth > 0 && --fake_hv.refuse_growth == 0)
		return err_set(e, ERR_EXHAUSTED, "no room to grow");
	*what += by;
	return 0;
}

int hv_add_vcpus(struct hv *hv, uint32_t n, struct deadline d, struct err *e)
{
	(void)hv;
	(void)d;
	return grow(&fake_hv.vcpus, n, e);
}

int hv_add_memory(struct hv *hv, uint64_t mib, struct deadline d, struct err *e)
{
	(void)hv;
	(void)d;
	return grow(&fake_hv.mib, (unsigned)mib, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any request to the agent. The first byte is the number of the method in grpc.AgentService, the rest the
 * message.
 *
 * The handlers are what the agent does as root of a guest (clock, mounts, power), so they do not run here.
 * What runs is all that stands before them: unpacking, the look for the container of the request and its
 * state (there is none, which refuses whatever needs one), and each function that reads what a host wrote
 * without doing anything yet. Messages also go to JSON and back, as agentctl does it, and must stay the same.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/cgroup/devices.h"
#include "agent/cmdline.h"
#include "agent/confine/capabilities.h"
#include "agent/confine/rlimits.h"
#include "agent/confine/seccomp.h"
#include "agent/container/namespaces.h"
#include "agent/container/sysctl.h"
#include "agent/device/pci_path.h"
#include "agent/device/scsi.h"
#include "agent/mount/options.h"
#include "agent/rpc/service.h"
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/rpc/dispatch.h"
#include "tests/agentctl/message_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Below the directory that it is for. */
static bool is_beneath(const char *path)
{
	size_t len = strlen(path);

	return path[0] != '/' && !strstr(path, "/../") &&
	       (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

/* An error says why. */
static void ended(int result, struct err *e)
{
	if (result < 0 && e->text[0] == '\0')
		abort();
	*e = ERR_INIT;
}

static void read_capabilities(const Grpc__LinuxCapabilities *c)
{
	auto_strv char **unknown = NULL;

	(void)!capabilities_parse(c->bounding, c->n_bounding, &unknown);
	(void)!capabilities_parse(c->effective, c->n_effective, &unknown);
	(void)!capabilities_parse(c->ambient, c->n_ambient, &unknown);
}

static void read_process(const Grpc__Process *p)
{
	struct err e = ERR_INIT;
	int number;

	if (!p)
		return;
	if (p->capabilities)
		read_capabilities(p->capabilities);
	for (size_t i = 0; i < p->n_rlimits; i++)
		ended(rlimit_number(p->rlimits[i]->type, &number, &e), &e);
}

static void read_options(char *const *option, size_t n)
{
	struct mount_options o;
	struct err e = ERR_INIT;
	int result = mount_options_parse(option, n, &o, &e);

	if (result == 0)
		mount_options_done(&o);
	ended(result, &e);
}

static void read_storages(Grpc__Storage *const *storage, size_t n)
{
	struct pci_path path;
	struct err e = ERR_INIT;
	uint32_t id, lun;

	for (size_t i = 0; i < n; i++) {
		read_options(storage[i]->options, storage[i]->n_options);
		ended(pci_path_parse(storage[i]->source, &path, &e), &e);
		ended(scsi_address_parse(storage[i]->source, &id, &lun, &e), &e);
	}
}

static void read_resources(const Grpc__LinuxResources *r)
{
	struct device_rules rules;
	struct err e = ERR_INIT;
	int result;

	if (!r)
		return;
	result = device_rules_read(&rules, r->devices, r->n_devices, &e);
	if (result == 0) {
		size_t n;
		auto_free struct bpf_insn *program = device_filter_compile(&rules, &n);

		if (!program || n == 0)
			abort();
		device_rules_done(&rules);
	}
	ended(result, &e);
}

static void read_linux(const Grpc__Linux *l)
{
	struct err e = ERR_INIT;
	unsigned flag;

	for (size_t i = 0; i < l->n_namespaces; i++)
		ended(namespace_flag(l->namespaces[i]->type, &flag, &e), &e);
	for (size_t i = 0; i < l->n_sysctl; i++) {
		auto_free char *path = sysctl_path(l->sysctl[i]->key, &e);

		if (path && !is_beneath(path))
			abort();
		ended(path ? sysctl_check(l->sysctl[i]->key, 0, &e) : -1, &e);
	}
	free(namespace_id_map(l->uidmappings, l->n_uidmappings, &e));
	e = ERR_INIT;
	if (l->seccomp) {
		struct seccomp_filter *filter = seccomp_build(l->seccomp, &e);

		ended(filter ? 0 : -1, &e);
		seccomp_free(filter);
	}
	read_resources(l->resources);
}

static void read_create(const Grpc__CreateContainerRequest *req)
{
	struct err e = ERR_INIT;
	struct pci_path path;

	read_storages(req->storages, req->n_storages);
	for (size_t i = 0; i < req->n_devices; i++)
		ended(pci_path_parse(req->devices[i]->id, &path, &e), &e);
	if (!req->oci)
		return;
	read_process(req->oci->process);
	for (size_t i = 0; i < req->oci->n_mounts; i++)
		read_options(req->oci->mounts[i]->options, req->oci->mounts[i]->n_options);
	if (req->oci->linux)
		read_linux(req->oci->linux);
}

static void read_request(const ProtobufCMessage *m)
{
	if (m->descriptor == &grpc__create_container_request__descriptor)
		read_create((const Grpc__CreateContainerRequest *)m);
	if (m->descriptor == &grpc__create_sandbox_request__descriptor) {
		const Grpc__CreateSandboxRequest *req = (const Grpc__CreateSandboxRequest *)m;

		read_storages(req->storages, req->n_storages);
	}
	if (m->descriptor == &grpc__exec_process_request__descriptor)
		read_process(((const Grpc__ExecProcessRequest *)m)->process);
	if (m->descriptor == &grpc__update_container_request__descriptor)
		read_resources(((const Grpc__UpdateContainerRequest *)m)->resources);
}

/* Twice to JSON is the same text, unless a map had a key twice or the text is larger than JSON may be. */
static void check_json(const ProtobufCMessage *m)
{
	auto_buf struct buf first = BUF_INIT;
	auto_buf struct buf second = BUF_INIT;
	auto_json struct json *tree = NULL;
	ProtobufCMessage *again = NULL;
	struct err e = ERR_INIT;

	message_to_json(m, &first);
	if (json_parse(first.data, first.len, &tree, &e) < 0)
		return;
	if (message_from_json(tree, m->descriptor, &again, &e) < 0)
		abort();
	message_to_json(again, &second);
	protobuf_c_message_free_unpacked(again, NULL);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
}

/* The row without its handler: what is not refused is answered with an empty message. */
static int no_handler(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)call;
	(void)resp;
	(void)e;
	read_request(req);
	check_json(req);
	return 0;
}

static void dispatch(const struct rpc_service *service, const char *method, const uint8_t *data,
		     size_t size)
{
	auto_free uint8_t *resp = NULL;
	struct err e = ERR_INIT;
	size_t len;

	ended(rpc_dispatch(&service, 1, service->desc->name, method, data, size, &resp, &len, &e),
	      &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct agent_services services;
	static struct rpc_method *rows;
	static struct rpc_service service;
	static struct agent_options options;
	static struct sandbox sandbox;
	struct err e = ERR_INIT;

	if (!rows) {
		agent_options_init(&options);
		sandbox.options = &options;
		if (agent_services_init(&services, &sandbox, &e) < 0)
			abort();
		service = services.agent;
		rows = xmemdup(service.methods, service.n_methods * sizeof(*rows));
		for (size_t i = 0; i < service.n_methods; i++)
			rows[i].handle = no_handler;
		service.methods = rows;
	}
	if (size == 0)
		return 0;
	/* Once as the agent would, once with every method open, so that each message is read. */
	for (int open = 0; open < 2; open++) {
		for (size_t i = 0; i < service.n_methods; i++)
			rows[i].when = open ? 0 : services.agent.methods[i].when;
		dispatch(&service, service.desc->methods[data[0] % service.desc->n_methods].name,
			 data + 1, size - 1);
	}
	return 0;
}

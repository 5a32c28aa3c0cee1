/* SPDX-License-Identifier: Apache-2.0 */
/* From the CRI's description of a pod to an OCI spec; see pod_spec.h. */
#include "shim/sandbox_api/pod_spec.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "proto/any.h"

#define CRI_KEY "io.kubernetes.cri."

/* What containerd's CRI plugin gives every pod, so that its programs need no privileges for them. */
static const struct {
	const char *key, *value;
} default_sysctls[] = {
	{ "net.ipv4.ip_unprivileged_port_start", "0" },
	{ "net.ipv4.ping_group_range", "0 2147483647" },
};

/* The members of a JSON object, one after the other. */
static void add(struct buf *members, const char *key, const char *value)
{
	auto_free char *quoted_key = json_quote(key);
	auto_free char *quoted_value = json_quote(value);

	buf_addf(members, "%s%s:%s", members->len ? "," : "", quoted_key, quoted_value);
}

static void add_number(struct buf *members, const char *key, int64_t value)
{
	auto_free char *text = xasprintf("%" PRId64, value);

	add(members, key, text);
}

static char *object(const struct buf *members)
{
	return xasprintf("{%s}", members->len ? members->data : "");
}

static void add_limits(struct buf *annotations, const Runtime__V1__LinuxContainerResources *r)
{
	if (!r)
		return;
	add_number(annotations, CRI_KEY "sandbox-cpu-period", r->cpu_period);
	add_number(annotations, CRI_KEY "sandbox-cpu-quota", r->cpu_quota);
	add_number(annotations, CRI_KEY "sandbox-cpu-shares", r->cpu_shares);
	add_number(annotations, CRI_KEY "sandbox-memory", r->memory_limit_in_bytes);
}

static char *annotations_of(const char *id, const Runtime__V1__PodSandboxConfig *pod)
{
	auto_buf struct buf b = BUF_INIT;

	add(&b, CRI_KEY "container-type", "sandbox");
	add(&b, CRI_KEY "sandbox-id", id);
	if (pod->metadata) {
		add(&b, CRI_KEY "sandbox-name", pod->metadata->name);
		add(&b, CRI_KEY "sandbox-namespace", pod->metadata->namespace_);
		add(&b, CRI_KEY "sandbox-uid", pod->metadata->uid);
	}
	if (pod->log_directory[0] != '\0')
		add(&b, CRI_KEY "sandbox-log-directory", pod->log_directory);
	if (pod->linux)
		add_limits(&b, pod->linux->resources);
	/* A pod's author writes these: none may pass for one of ours. */
	for (size_t i = 0; i < pod->n_annotations; i++)
		if (strncmp(pod->annotations[i]->key, CRI_KEY, strlen(CRI_KEY)) != 0)
			add(&b, pod->annotations[i]->key, pod->annotations[i]->value);
	return object(&b);
}

static bool sets_sysctl(const Runtime__V1__LinuxPodSandboxConfig *l, const char *key)
{
	for (size_t i = 0; l && i < l->n_sysctls; i++)
		if (strcmp(l->sysctls[i]->key, key) == 0)
			return true;
	return false;
}

static char *sysctls_of(const Runtime__V1__LinuxPodSandboxConfig *l)
{
	auto_buf struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(default_sysctls); i++)
		if (!sets_sysctl(l, default_sysctls[i].key))
			add(&b, default_sysctls[i].key, default_sysctls[i].value);
	for (size_t i = 0; l && i < l->n_sysctls; i++)
		add(&b, l->sysctls[i]->key, l->sysctls[i]->value);
	return object(&b);
}

/* As containerd writes it: below the parent, or a scope of systemd's in the parent slice. */
static char *cgroup_of(const char *id, const Runtime__V1__LinuxPodSandboxConfig *l)
{
	static const char slice[] = ".slice";
	const char *parent = l ? l->cgroup_parent : "";
	const char *name = strrchr(parent, '/') ? strrchr(parent, '/') + 1 : parent;
	size_t len = strlen(name);

	if (parent[0] == '\0')
		return NULL;
	if (len >= sizeof(slice) - 1 && strcmp(name + len - (sizeof(slice) - 1), slice) == 0)
		return xasprintf("%s:cri-containerd:%s", name, id);
	return path_join(parent, id);
}

static char *namespaces_of(const char *netns)
{
	auto_free char *network = json_object("s:type", "network", "s:path", netns, NULL);
	const char *const list[] = { network, NULL };

	return json_array(netns[0] != '\0' ? list : NULL);
}

/* A spec has these; the machine stands for them. */
static const char no_process[] =
	"{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"pause\"],\"cwd\":\"/\"}";
static const char no_root[] = "{\"path\":\"rootfs\",\"readonly\":true}";

static char *spec_text(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
		       const Runtime__V1__PodSandboxConfig *pod)
{
	auto_free char *annotations = annotations_of(req->sandbox_id, pod);
	auto_free char *sysctls = sysctls_of(pod->linux);
	auto_free char *cgroup = cgroup_of(req->sandbox_id, pod->linux);
	auto_free char *namespaces = namespaces_of(req->netns_path);
	auto_free char *linux_part = json_object("s:cgroupsPath", cgroup, "o:sysctl", sysctls,
						 "o:namespaces", namespaces, NULL);

	return json_object("s:ociVersion", "1.1.0", "s:hostname",
			   pod->hostname[0] != '\0' ? pod->hostname : NULL, "o:annotations",
			   annotations, "o:linux", linux_part, "o:process", no_process, "o:root",
			   no_root, NULL);
}

int pod_config(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	       Runtime__V1__PodSandboxConfig **ret, struct err *e)
{
	if (req->options) {
		*ret = any_unpack(req->options, &runtime__v1__pod_sandbox_config__descriptor);
		if (!*ret)
			return err_set(e, ERR_INVALID,
				       "sandbox options of type '%.100s', expected the pod's "
				       "configuration",
				       req->options->type_url);
		return 0;
	}
	*ret = xmalloc(sizeof(**ret));
	runtime__v1__pod_sandbox_config__init(*ret);
	return 0;
}

int pod_spec(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	     const Runtime__V1__PodSandboxConfig *pod, struct oci_spec **ret, struct err *e)
{
	auto_free char *text = spec_text(req, pod);

	return oci_spec_parse(text, strlen(text), ret, e);
}

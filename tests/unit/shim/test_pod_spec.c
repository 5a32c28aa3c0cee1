/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's configuration, as the CRI has it, becomes the OCI spec of its sandbox. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/oci/pod.h"
#include "cri.pb-c.h"
#include "proto/any.h"
#include "shim/agent/agent.h"
#include "shim/sandbox_api/pod_files.h"
#include "shim/sandbox_api/pod_spec.h"

#define W(s) ((char *)(uintptr_t)(s))

#define REQUEST Containerd__Runtime__Sandbox__V1__CreateSandboxRequest

static struct {
	Runtime__V1__PodSandboxConfig pod;
	Runtime__V1__PodSandboxMetadata metadata;
	Runtime__V1__LinuxPodSandboxConfig linux_part;
	Runtime__V1__LinuxContainerResources resources;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry annotation[2], *annotations[2];
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry sysctl, *sysctls[1];
} in;

static int fill(void **state)
{
	static const char *const texts[][2] = {
		{ "io.kubernetes.cri.sandbox-memory", "1" }, /* not the pod's to say */
		{ "a.key", "a \"value\"" },
	};

	(void)state;
	runtime__v1__pod_sandbox_config__init(&in.pod);
	runtime__v1__pod_sandbox_metadata__init(&in.metadata);
	runtime__v1__linux_pod_sandbox_config__init(&in.linux_part);
	runtime__v1__linux_container_resources__init(&in.resources);
	in.metadata.name = message_text("web");
	in.metadata.uid = message_text("1234");
	in.metadata.namespace_ = message_text("shop");
	in.pod.metadata = &in.metadata;
	in.pod.hostname = message_text("web-0");
	in.pod.linux = &in.linux_part;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		runtime__v1__pod_sandbox_config__annotations_entry__init(&in.annotation[i]);
		in.annotation[i].key = message_text(texts[i][0]);
		in.annotation[i].value = message_text(texts[i][1]);
		in.annotations[i] = &in.annotation[i];
	}
	in.pod.annotations = in.annotations;
	in.pod.n_annotations = ARRAY_LEN(in.annotations);
	in.linux_part.cgroup_parent = message_text("/kubepods/pod1");
	in.resources.cpu_period = 100000;
	in.resources.cpu_quota = 150000;
	in.resources.cpu_shares = 512;
	in.resources.memory_limit_in_bytes = 1 << 28;
	in.linux_part.resources = &in.resources;
	runtime__v1__linux_pod_sandbox_config__sysctls_entry__init(&in.sysctl);
	in.sysctl.key = message_text("net.ipv4.ping_group_range");
	in.sysctl.value = message_text("1 2");
	in.sysctls[0] = &in.sysctl;
	in.linux_part.sysctls = in.sysctls;
	in.linux_part.n_sysctls = 1;
	return 0;
}

static struct oci_spec *convert(const char *netns)
{
	struct err e = ERR_INIT;
	struct oci_spec *spec = NULL;
	Runtime__V1__PodSandboxConfig *pod;
	REQUEST req;

	containerd__runtime__sandbox__v1__create_sandbox_request__init(&req);
	req.sandbox_id = message_text("pod1");
	req.netns_path = message_text(netns);
	req.options = any_pack(&in.pod.base);
	assert_ok(pod_config(&req, &pod, &e), &e);
	assert_ok(pod_spec(&req, pod, &spec, &e), &e);
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	google__protobuf__any__free_unpacked(req.options, NULL);
	return spec;
}

static void test_everything(void **state)
{
	auto_oci_spec struct oci_spec *s = convert("/run/netns/x");

	(void)state;
	assert_int_equal(pod_role(s), POD_SANDBOX);
	assert_string_equal(s->hostname, "web-0");
	assert_string_equal(s->linux.cgroups_path, "/kubepods/pod1/pod1");
	assert_string_equal(oci_find_namespace(s, "network")->path, "/run/netns/x");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-id"), "pod1");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-name"), "web");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-namespace"), "shop");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-uid"), "1234");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-cpu-quota"), "150000");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-cpu-period"), "100000");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-cpu-shares"), "512");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-memory"), "268435456");
	assert_string_equal(oci_annotation(s, "a.key"), "a \"value\"");
	assert_int_equal(s->linux.sysctl.n, 2);
	assert_string_equal(json_map_get(&s->linux.sysctl, "net.ipv4.ping_group_range"), "1 2");
	assert_string_equal(json_map_get(&s->linux.sysctl, "net.ipv4.ip_unprivileged_port_start"),
			    "0");
}

static void test_systemd_slice(void **state)
{
	struct oci_spec *s;

	(void)state;
	in.linux_part.cgroup_parent = message_text("/kubepods.slice/kubepods-pod1.slice");
	s = convert("");
	assert_string_equal(s->linux.cgroups_path, "kubepods-pod1.slice:cri-containerd:pod1");
	assert_null(oci_find_namespace(s, "network"));
	oci_spec_free(s);
}

static void test_nothing_asked_for(void **state)
{
	struct oci_spec *s;

	(void)state;
	runtime__v1__pod_sandbox_config__init(&in.pod);
	s = convert("");
	assert_int_equal(pod_role(s), POD_SANDBOX);
	assert_null(s->hostname);
	assert_null(s->linux.cgroups_path);
	assert_null(oci_annotation(s, "io.kubernetes.cri.sandbox-memory"));
	oci_spec_free(s);
}

static void test_options_of_another_kind(void **state)
{
	Runtime__V1__PodSandboxConfig *pod;
	struct err e = ERR_INIT;
	REQUEST req;

	(void)state;
	containerd__runtime__sandbox__v1__create_sandbox_request__init(&req);
	req.sandbox_id = message_text("pod1");
	req.options = any_new("something.Else", "x", 1);
	assert_err(pod_config(&req, &pod, &e), &e, ERR_INVALID, "something.Else");
	google__protobuf__any__free_unpacked(req.options, NULL);
	req.options = NULL;
	e = ERR_INIT;
	assert_ok(pod_config(&req, &pod, &e), &e);
	assert_string_equal(pod->hostname, "");
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
}

static void expect_file(const char *dir, const char *name, const char *want)
{
	auto_free char *path = path_join(dir, name);
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, path, 4096, &text, NULL, &e), &e);
	assert_string_equal(text, want);
}

static void test_files(void **state)
{
	static char *servers[] = { W("10.0.0.1"), W("10.0.0.2") },
		    *searches[] = { W("a.b"), W("c") };
	static char *options[] = { W("ndots:5") };
	static const char config[] =
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},"
		"\"args\":[\"x\"],\"cwd\":\"/\"},\"root\":{\"path\":\"r\",\"readonly\":true},"
		"\"mounts\":[{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/x\"}],"
		"\"linux\":{}}";
	auto_oci_spec struct oci_spec *spec = NULL;
	char dir[] = "/tmp/husk-pod-XXXXXX";
	Runtime__V1__DNSConfig dns;
	struct err e = ERR_INIT;

	(void)state;
	runtime__v1__dnsconfig__init(&dns);
	dns.servers = servers;
	dns.n_servers = ARRAY_LEN(servers);
	dns.searches = searches;
	dns.n_searches = ARRAY_LEN(searches);
	dns.options = options;
	dns.n_options = ARRAY_LEN(options);
	in.pod.dns_config = &dns;
	assert_non_null(mkdtemp(dir));
	assert_ok(pod_files_write(dir, &in.pod, &e), &e);
	expect_file(dir, "hostname", "web-0\n");
	expect_file(dir, "resolv.conf",
		    "search a.b c\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:5\n");
	assert_ok(oci_spec_parse(config, sizeof(config) - 1, &spec, &e), &e);
	pod_files_add_mounts(dir, spec);
	assert_int_equal(spec->n_mounts, 3); /* its own /etc/hosts stays */
	assert_string_equal(spec->mounts[0].source, "/x");
	assert_string_equal(spec->mounts[2].destination, "/etc/resolv.conf");
	assert_string_equal(spec->mounts[2].options[2], "ro");
	assert_ok(path_remove_tree(AT_FDCWD, dir, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_everything, fill),
		cmocka_unit_test_setup(test_systemd_slice, fill),
		cmocka_unit_test_setup(test_nothing_asked_for, fill),
		cmocka_unit_test_setup(test_files, fill),
		cmocka_unit_test_setup(test_options_of_another_kind, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

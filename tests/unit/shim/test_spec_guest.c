/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI spec as containerd writes it, and what the guest gets of it. */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "shim/sandbox/spec_guest.h"

#define TEXT(...) #__VA_ARGS__
/* Members of specs are char *, literals are not. */
#define W(s)      ((char *)(uintptr_t)(s))

static const char config[] = TEXT({
	"ociVersion" : "1.0.2",
	"process" : {
		"args" : ["sh"],
		"cwd" : "/",
		"user" : { "uid" : 0, "gid" : 0 },
		"selinuxLabel" : "system_u:system_r:container_t:s0"
	},
	"root" : { "path" : "rootfs", "readonly" : true },
	"hostname" : "pod",
	"mounts" : [
		{ "destination" : "/proc", "type" : "proc", "source" : "proc" }, {
			"destination" : "/dev/shm",
			"type" : "tmpfs",
			"source" : "shm",
			"options" : [ "nosuid", "size=1m" ]
		},
		{ "destination" : "/sock", "type" : "bind", "source" : "/s", "options" : ["bind"] },
		{ "destination" : "/data", "source" : "/srv/data", "options" : [ "rbind", "ro" ] }
	],
	"hooks" : {
		"prestart" : [ { "path" : "/bin/a" } ],
		"createRuntime" : [ { "path" : "/bin/b" } ],
		"startContainer" : [ { "path" : "/bin/c" } ],
		"poststop" : [ { "path" : "/bin/d" } ]
	},
	"annotations" : { "io.kubernetes.cri.container-type" : "container" },
	"linux" : {
		"namespaces" : [
			{ "type" : "pid", "path" : "/proc/7/ns/pid" },
			{ "type" : "network", "path" : "/proc/7/ns/net" },
			{ "type" : "ipc", "path" : "/proc/7/ns/ipc" }, { "type" : "uts" },
			{ "type" : "mount" }, { "type" : "cgroup" }
		],
		"devices" : [
			{ "path" : "/dev/tun", "type" : "c", "major" : 10, "minor" : 200 },
			{ "path" : "/dev/sda", "type" : "b", "major" : 8, "minor" : 0 },
			{ "path" : "/dev/dyn", "type" : "c", "major" : 10, "minor" : 256 },
			{ "path" : "/dev/zero2", "type" : "c", "major" : 1, "minor" : 5 }
		],
		"resources" : {
			"devices" : [ { "allow" : false, "access" : "rwm" } ],
			"memory" : { "limit" : 1048576 },
			"cpu" : { "shares" : 512, "cpus" : "0-1", "mems" : "0" },
			"pids" : { "limit" : 100 },
			"blockIO" : { "weight" : 10 },
			"network" : { "classID" : 1 },
			"hugepageLimits" : [ { "pageSize" : "2MB", "limit" : 0 } ]
		},
		"seccomp" : { "defaultAction" : "SCMP_ACT_ALLOW" },
		"mountLabel" : "system_u:object_r:container_file_t:s0"
	}
});

static const char *const pod_sysctls[] = { "net.core.somaxconn=77", "kernel.sem=1 2=3 4", NULL };

static struct volume volumes[] = {
	{ .kind = VOLUME_GUEST },
	{ .kind = VOLUME_SHM },
	{ .kind = VOLUME_SKIPPED },
	{ .kind = VOLUME_SHARED,
	  .guest_path = W("/run/kata-containers/shared/containers/c-0-data") },
};

static Grpc__Spec *rewrite(bool drop_seccomp, bool *pidns)
{
	const struct spec_guest_params p = { .bundle = "/bundle",
					     .rootfs = "/guest/rootfs",
					     .volumes = volumes,
					     .sysctls = pod_sysctls,
					     .drop_seccomp = drop_seccomp };
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err e = ERR_INIT;
	Grpc__Spec *out = NULL;

	assert_ok(oci_spec_parse(config, sizeof(config) - 1, &spec, &e), &e);
	assert_ok(spec_guest(spec, &p, &out, pidns, &e), &e);
	return out;
}

static void test_mounts(void **state)
{
	bool pidns;
	Grpc__Spec *s = rewrite(false, &pidns);

	(void)state;
	assert_string_equal(s->root->path, "/guest/rootfs");
	assert_true(s->root->readonly);
	assert_int_equal(s->n_mounts, 3);
	assert_string_equal(s->mounts[0]->type, "proc");
	assert_string_equal(s->mounts[1]->destination, "/dev/shm");
	assert_string_equal(s->mounts[1]->type, "bind");
	assert_string_equal(s->mounts[1]->source, "/run/kata-containers/sandbox/shm");
	assert_int_equal(s->mounts[1]->n_options, 1);
	assert_string_equal(s->mounts[1]->options[0], "rbind");
	assert_string_equal(s->mounts[2]->type, "bind");
	assert_string_equal(s->mounts[2]->source, volumes[3].guest_path);
	assert_int_equal(s->mounts[2]->n_options, 2);
	assert_string_equal(s->mounts[2]->options[1], "ro");
	grpc__spec__free_unpacked(s, NULL);
}

/* Not the mount that the guest makes, because that would be so throughout. */
static void test_read_only_on_the_host_alone(void **state)
{
	bool pidns;
	Grpc__Spec *s;

	(void)state;
	volumes[3].read_only_on_host = true;
	s = rewrite(false, &pidns);
	volumes[3].read_only_on_host = false;
	assert_int_equal(s->mounts[2]->n_options, 1);
	assert_string_equal(s->mounts[2]->options[0], "rbind");
	grpc__spec__free_unpacked(s, NULL);
}

static void test_namespaces_and_hooks(void **state)
{
	static const char *const types[] = { "ipc", "uts", "mount", "cgroup" };
	bool pidns = false;
	Grpc__Spec *s = rewrite(false, &pidns);

	(void)state;
	assert_true(pidns);
	assert_int_equal(s->linux->n_namespaces, ARRAY_LEN(types));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		assert_string_equal(s->linux->namespaces[i]->type, types[i]);
		assert_string_equal(s->linux->namespaces[i]->path, "");
	}
	assert_int_equal(s->hooks->n_prestart, 0);
	assert_int_equal(s->hooks->n_createruntime, 0);
	assert_int_equal(s->hooks->n_poststop, 0);
	assert_int_equal(s->hooks->n_startcontainer, 1);
	grpc__spec__free_unpacked(s, NULL);
}

static void test_resources_and_devices(void **state)
{
	bool pidns;
	Grpc__Spec *s = rewrite(false, &pidns);
	const Grpc__LinuxResources *r = s->linux->resources;

	(void)state;
	assert_int_equal(r->memory->limit, 1048576);
	assert_int_equal(r->cpu->shares, 512);
	assert_string_equal(r->cpu->cpus, "");
	assert_string_equal(r->cpu->mems, "");
	assert_int_equal(r->pids->limit, 100);
	assert_int_equal(r->n_hugepagelimits, 1);
	assert_null(r->blockio);
	assert_null(r->network);
	assert_int_equal(r->n_devices, 1);
	assert_int_equal(r->devices[0]->major, -1);
	assert_int_equal(r->devices[0]->minor, -1);
	assert_int_equal(s->linux->n_devices, 2);
	assert_string_equal(s->linux->devices[0]->path, "/dev/tun");
	assert_string_equal(s->linux->devices[1]->path, "/dev/zero2");
	grpc__spec__free_unpacked(s, NULL);
}

static const char *annotation(const Grpc__Spec *s, const char *key)
{
	for (size_t i = 0; i < s->n_annotations; i++)
		if (strcmp(s->annotations[i]->key, key) == 0)
			return s->annotations[i]->value;
	return "";
}

static void test_sysctls(void **state)
{
	bool pidns;
	Grpc__Spec *s = rewrite(false, &pidns);
	size_t n = s->linux->n_sysctl;

	(void)state;
	assert_true(n >= 2);
	assert_string_equal(s->linux->sysctl[n - 2]->key, "net.core.somaxconn");
	assert_string_equal(s->linux->sysctl[n - 2]->value, "77");
	assert_string_equal(s->linux->sysctl[n - 1]->key, "kernel.sem");
	assert_string_equal(s->linux->sysctl[n - 1]->value, "1 2=3 4");
	grpc__spec__free_unpacked(s, NULL);
}

static void test_annotations_and_confinement(void **state)
{
	bool pidns;
	Grpc__Spec *s = rewrite(false, &pidns);

	(void)state;
	assert_string_equal(annotation(s, "io.katacontainers.pkg.oci.bundle_path"), "/bundle");
	assert_string_equal(annotation(s, "io.katacontainers.pkg.oci.container_type"),
			    "pod_container");
	assert_non_null(s->linux->seccomp);
	assert_string_equal(s->process->selinuxlabel, "");
	assert_string_equal(s->linux->mountlabel, "");
	grpc__spec__free_unpacked(s, NULL);

	s = rewrite(true, &pidns);
	assert_null(s->linux->seccomp);
	grpc__spec__free_unpacked(s, NULL);
}

static void test_shm_size(void **state)
{
	static const struct {
		const char *option;
		uint64_t bytes;
	} rows[] = {
		{ "size=65536k", 64u << 20 },
		{ "size=1m", 1u << 20 },
		{ "size=2G", 2ull << 30 },
		{ "size=4096", 4096 },
		{ "size=0", 64u << 20 },
		{ "size=", 64u << 20 },
		{ "size=50%", 64u << 20 },
		{ "mode=1777", 64u << 20 },
		{ "size=99999999g", 64u << 20 },
		{ "size=k", 64u << 20 },
		{ "size=18446744073709551615k", 64u << 20 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *options[] = { W(rows[i].option), NULL };
		struct oci_mount m = { .destination = W("/dev/shm"),
				       .type = W("tmpfs"),
				       .options = options };
		struct oci_spec s = { .mounts = &m, .n_mounts = 1 };

		if (spec_shm_bytes(&s) != rows[i].bytes)
			fail_msg("%s: %llu", rows[i].option,
				 (unsigned long long)spec_shm_bytes(&s));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_read_only_on_the_host_alone),
		cmocka_unit_test(test_namespaces_and_hooks),
		cmocka_unit_test(test_resources_and_devices),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_annotations_and_confinement),
		cmocka_unit_test(test_shm_size),
	};

	return cmocka_run_group_tests_name("spec for the guest", tests, NULL, NULL);
}

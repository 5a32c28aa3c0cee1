/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: which files, in which order, what is refused and with which words, origins. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "config/load.h"
#include "config/table.h"
#include "config/toml.h"

static struct {
	char dir[64]; /* holds etc/ and share/ */
	char *etc, *share;
	struct buf log;
	struct config *config;
	struct err e;
} t;

static void keep_line(const char *line, void *arg)
{
	(void)arg;
	buf_addf(&t.log, "%s\n", line);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memset(&t, 0, sizeof(t));
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-config-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	t.etc = path_join(t.dir, "etc");
	t.share = path_join(t.dir, "share");
	buf_add(&t.log, "", 0);
	log_set_tap(keep_line, NULL);
	log_init(-1, LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	return path_mkdirs(t.etc, 0700, &e) < 0 || path_mkdirs(t.share, 0700, &e) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	config_free(t.config);
	free(t.etc);
	free(t.share);
	buf_done(&t.log);
	log_set_tap(NULL, NULL);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

/* Write dir/name, with its directories. Returns the path, which lives until the next call. */
static const char *put(const char *dir, const char *name, const char *text)
{
	static char path[512];
	char parent[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	assert_ok(path_mkdirs(parent, 0700, &t.e), &t.e);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int load(const char *path, const char *environment)
{
	struct config_places places = { .from_environment = environment,
					.system_dir = t.etc,
					.defaults_dir = t.share };

	config_free(t.config);
	t.config = NULL;
	return config_load_from(&places, path, &t.config, &t.e);
}

static int load_text(const char *text)
{
	return load(put(t.dir, "c.toml", text), NULL);
}

static void test_built_in_values(void **state)
{
	auto_free char *kernel = NULL, *initrd = NULL;

	(void)state;
	assert_ok(load(NULL, NULL), &t.e);
	assert_string_equal(t.config->hypervisor.path, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(t.config->hypervisor.kernel, "");
	assert_int_equal(t.config->hypervisor.accel, CONFIG_ACCEL_AUTO);
	assert_int_equal(t.config->hypervisor.transport, CONFIG_TRANSPORT_AUTO);
	assert_int_equal(t.config->hypervisor.default_vcpus, 1);
	assert_int_equal(t.config->hypervisor.default_memory_mib, 512);
	assert_int_equal(t.config->agent.dial_timeout_s, 30);
	assert_int_equal(t.config->agent.create_container_timeout_s, 60);
	assert_string_equal(t.config->runtime.state_dir, "/run/husk");
	assert_string_equal(t.config->runtime.hypervisor_name, "qemu");
	assert_true(t.config->runtime.sandbox_cgroup_only);
	kernel = config_guest_kernel(t.config);
	initrd = config_guest_initrd(t.config);
	assert_string_equal(kernel, HUSK_DATADIR "/guest/default/vmlinux");
	assert_string_equal(initrd, HUSK_DATADIR "/guest/default/initrd.img");
	assert_string_equal(t.log.data, "");
}

static void want_memory(const char *path, const char *environment, uint32_t want)
{
	assert_ok(load(path, environment), &t.e);
	assert_int_equal(t.config->hypervisor.default_memory_mib, want);
}

static void test_which_file(void **state)
{
	auto_free char *explicit_file = NULL, *environment = NULL;

	(void)state;
	put(t.share, "configuration.toml", "[hypervisor.qemu]\ndefault_memory = 101\n");
	want_memory(NULL, NULL, 101);
	want_memory("", "", 101);
	put(t.etc, "configuration.toml", "[hypervisor.qemu]\ndefault_memory = 102\n");
	want_memory(NULL, NULL, 102);
	environment = xstrdup(put(t.dir, "e.toml", "[hypervisor.qemu]\ndefault_memory = 103\n"));
	want_memory(NULL, environment, 103);
	explicit_file = xstrdup(put(t.dir, "x.toml", "[hypervisor.qemu]\ndefault_memory = 104\n"));
	want_memory(explicit_file, environment, 104);

	assert_err(load("/does/not/exist", environment), &t.e, ERR_NOT_FOUND,
		   "configuration: open '/does/not/exist': No such file");
	assert_err(load(NULL, "/does/not/exist"), &t.e, ERR_NOT_FOUND,
		   "HUSK_CONF_FILE: open '/does/not/exist'");
}

static void test_drop_ins(void **state)
{
	(void)state;
	put(t.etc, "configuration.toml",
	    "[hypervisor.qemu]\ndefault_memory = 100\nmachine_type = \"main\"\n");
	put(t.etc, "config.d/20-b.toml", "[hypervisor.qemu]\ndefault_memory = 120\n");
	put(t.etc, "config.d/30-c.toml", "[hypervisor.qemu]\ndefault_memory = 130\n");
	put(t.etc, "config.d/10-a.toml",
	    "[hypervisor.qemu]\ndefault_memory = 110\nuser = \"husk\"\n");
	put(t.etc, "config.d/40-d.conf", "not toml");
	put(t.etc, "config.d/.hidden.toml", "not toml");
	want_memory(NULL, NULL, 130);
	assert_string_equal(t.config->hypervisor.machine_type, "main");
	assert_string_equal(t.config->hypervisor.user, "husk");
	assert_string_equal(t.log.data, "");
	/* Each once: the directory beside the main file and the system's are the same here. */
	assert_int_equal(strv_len((const char *const *)t.config->origins->files), 4);
	assert_non_null(strstr(t.config->origins->files[1], "/10-a.toml"));
	assert_non_null(strstr(t.config->origins->files[2], "/20-b.toml"));

	/* So many that no file system has them in this order by chance. */
	for (unsigned i = 0; i < 20; i++) {
		auto_free char *name = xasprintf("config.d/5%c.toml", 'a' + (char)(i * 7 % 20));

		put(t.etc, name, "");
	}
	assert_ok(load(NULL, NULL), &t.e);
	for (unsigned i = 0; i < 20; i++) {
		auto_free char *name = xasprintf("/5%c.toml", 'a' + (char)i);

		assert_non_null(strstr(t.config->origins->files[4 + i], name));
	}

	put(t.etc, "config.d/40.toml", "[hypervisor.qemu\n");
	assert_err(load(NULL, NULL), &t.e, ERR_INVALID, "config.d/40.toml:1: expected ']'");
}

static void test_drop_ins_of_defaults_and_links(void **state)
{
	auto_free char *link_path = path_join(t.etc, "configuration.toml");

	(void)state;
	/* A drop-in works without a main file, and over the installed defaults. */
	put(t.etc, "config.d/a.toml", "[hypervisor.qemu]\ndefault_memory = 200\n");
	want_memory(NULL, NULL, 200);
	put(t.share, "configuration.toml", "[hypervisor.qemu]\ndefault_memory = 100\n");
	want_memory(NULL, NULL, 200);

	/* Beside what a symlink leads to, then the system's own. */
	put(t.dir, "real/configuration.toml", "");
	put(t.dir, "real/config.d/a.toml",
	    "[hypervisor.qemu]\ndefault_memory = 300\n"
	    "default_vcpus = 3\n");
	assert_int_equal(symlink("../real/configuration.toml", link_path), 0);
	want_memory(NULL, NULL, 200);
	assert_int_equal(t.config->hypervisor.default_vcpus, 3);
	/* Named outright, only what is beside it counts. */
	want_memory(link_path, NULL, 300);

	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(symlink("nowhere", link_path), 0);
	assert_err(load(NULL, NULL), &t.e, ERR_NOT_FOUND, "configuration.toml");
}

static void test_refused_values(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "[hypervisor.qemu]\ndefault_memory = \"512\"",
		  "c.toml:2: hypervisor.qemu.default_memory: must be a whole number, found a string" },
		{ "[hypervisor.qemu]\ndefault_memory = 63",
		  "must be from 64 to 16777216, found 63" },
		{ "[hypervisor.qemu]\ndefault_memory = 16777217", "found 16777217" },
		{ "[hypervisor.qemu]\ndefault_memory = -1", "found -1" },
		{ "[hypervisor.qemu]\ndefault_vcpus = 0", "must be from 1 to 256, found 0" },
		{ "[hypervisor.qemu]\ndefault_vcpus = 257", "must be from 1 to 256, found 257" },
		{ "[hypervisor.qemu]\ndefault_vcpus = 1.5", "must be a whole number" },
		{ "[hypervisor.qemu]\ndefault_vcpus = nan", "must be a whole number" },
		{ "[hypervisor.qemu]\ndefault_vcpus = 4\ndefault_maxvcpus = 2",
		  "default_vcpus = 4 (" },
		{ "[hypervisor.qemu]\nvirtio_fs_queue_size = 1000", "must be a power of two" },
		{ "[hypervisor.qemu]\npath = \"qemu\"", "must be an absolute path" },
		{ "[hypervisor.qemu]\npath = \"/a/../b\"", "must be an absolute path" },
		{ "[hypervisor.qemu]\npath = \"\"", "must be an absolute path" },
		{ "[hypervisor.qemu]\nkernel = \"/k\"",
		  "c.toml:2: kernel is set and initrd is not" },
		{ "[hypervisor.qemu]\n\ninitrd = \"/i\"",
		  "c.toml:3: initrd is set and kernel is not" },
		{ "[hypervisor.qemu]\naccel = \"fast\"",
		  "must be \"auto\", \"kvm\" or \"tcg\", found \"fast\"" },
		{ "[hypervisor.qemu]\naccel = true", "must be a string, found a boolean" },
		{ "[hypervisor.qemu]\nshared_fs = \"nfs\"", "must be \"virtio-fs\" or \"none\"" },
		{ "[hypervisor.qemu]\nkernel_params = \"a\\nb\"", "must be one line" },
		{ "[hypervisor.qemu]\nkernel_params = \"a\\u0000b\"", "must be one line" },
		{ "[hypervisor.qemu]\nenable_debug = 1",
		  "must be true or false, found an integer" },
		{ "[hypervisor.qemu]\nvirtio_fs_extra_args = \"x\"",
		  "must be an array of strings" },
		{ "[hypervisor.qemu]\nvirtio_fs_extra_args = [1]",
		  "each element: must be a string, found an integer" },
		{ "[agent.kata]\ndial_timeout = 0", "agent.kata.dial_timeout: must be from 1 to" },
		{ "[runtime]\nguest_image = \"../x\"", "must be a name, found \"../x\"" },
		{ "[runtime]\ninternetworking_model = \"bridge\"",
		  "must be \"tcfilter\", \"macvtap\"" },
		{ "runtime = 1", "c.toml:1: runtime: must be a table, found an integer" },
		{ "[hypervisor]\nqemu = 1", "c.toml:2: hypervisor.qemu: must be a table" },
		{ "[runtime]\nhypervisor_name = \"a/b\"",
		  "runtime.hypervisor_name: must be a name" },
		{ "x = [", "c.toml:1: expected a value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_err(load_text(cases[i].text), &t.e, ERR_INVALID, cases[i].want);
		assert_null(t.config);
	}
}

static void want_log(const char *part)
{
	if (!strstr(t.log.data, part))
		fail_msg("the log does not contain '%s': %s", part, t.log.data);
}

static void test_unknown_and_unsupported(void **state)
{
	(void)state;
	assert_ok(load_text("[hypervisor.qemu]\n"
			    "defualt_memory = 1\n"
			    "image = \"/i\"\n"
			    "enable_iommu = false\n"
			    "msize_9p = 0\n"
			    "[hypervisor.clh]\n"
			    "path = \"not looked at\"\n"
			    "nonsense = 1\n"
			    "[hypervisor.xen]\n"
			    "[agent.other]\n"
			    "[runtime]\n"
			    "internetworking_model = \"l3forwarding\"\n"
			    "[factory]\n"
			    "enable_template = true\n"
			    "[stray]\n"),
		  &t.e);
	want_log("c.toml:2: unknown key 'hypervisor.qemu.defualt_memory', ignored");
	want_log("c.toml:8: unknown key 'hypervisor.clh.nonsense', ignored");
	want_log("c.toml:9: unknown section 'hypervisor.xen', ignored");
	want_log("c.toml:10: unknown section 'agent.other', ignored");
	want_log("c.toml:15: unknown section 'stray', ignored");
	want_log("level=info msg=\"/tmp/");
	want_log("c.toml: not supported by husk, ignored: hypervisor.qemu.image (line 3), "
		 "runtime.internetworking_model (line 12), factory (line 13)");
	assert_null(strstr(t.log.data, "iommu"));
	assert_null(strstr(t.log.data, "msize_9p"));
	assert_string_equal(t.config->runtime.internetworking_model, "tcfilter");
}

static void test_names_of_sections_and_aliases(void **state)
{
	(void)state;
	assert_ok(load_text("[hypervisor.clh]\ndefault_memory = 99\nseccomp_sandbox = \"off\"\n"
			    "[hypervisor.qemu]\ndefault_memory = 77\n"
			    "[agent.husk]\ndial_timeout = 5\n"
			    "[runtime]\nhypervisor_name = \"clh\"\n"
			    "create_container_timeout = 7\n"),
		  &t.e);
	assert_string_equal(t.config->runtime.hypervisor_name, "clh");
	assert_int_equal(t.config->hypervisor.default_memory_mib, 99);
	assert_string_equal(t.config->hypervisor.seccompsandbox, "off");
	assert_int_equal(t.config->agent.dial_timeout_s, 5);
	assert_int_equal(t.config->agent.create_container_timeout_s, 7);
	assert_string_equal(t.log.data, "");

	/* A drop-in that switches the hypervisor makes the main file's table count. */
	put(t.etc, "configuration.toml", "[hypervisor.clh]\ndefault_memory = 88\n");
	put(t.etc, "config.d/a.toml", "[runtime]\nhypervisor_name = \"clh\"\n");
	want_memory(NULL, NULL, 88);
}

/* What is described is TOML, says the same again when it is loaded, and names the origins. */
static void test_describe(void **state)
{
	auto_free char *first = NULL, *second = NULL, *origin = NULL;
	auto_toml struct toml_value *root = NULL;
	const char *path;

	(void)state;
	path = put(t.dir, "c.toml",
		   "[hypervisor.qemu]\nkernel_params = 'a=\"b\\c\"'\n"
		   "virtio_fs_extra_args = [\"-x\", \"y\"]\naccel = \"tcg\"\n"
		   "kernel = \"/k\"\ninitrd = \"/i\"\n");
	assert_ok(load(path, NULL), &t.e);
	first = config_describe(t.config);
	origin = xasprintf("# %s:4\n", path);
	assert_non_null(strstr(first, origin));
	assert_non_null(strstr(first, "# built-in\n"));
	assert_non_null(strstr(first, "[hypervisor.qemu]\n"));
	assert_ok(toml_parse(first, strlen(first), "described", &root, &t.e), &t.e);

	assert_ok(load_text(first), &t.e);
	assert_string_equal(t.config->hypervisor.kernel_params, "a=\"b\\c\"");
	assert_string_equal(t.config->hypervisor.virtio_fs_extra_args[1], "y");
	assert_int_equal(t.config->hypervisor.accel, CONFIG_ACCEL_TCG);
	second = config_describe(t.config);
	assert_null(strstr(second, "# built-in\n"));
}

int main(void)
{
#define LOAD_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		LOAD_TEST(test_built_in_values),
		LOAD_TEST(test_which_file),
		LOAD_TEST(test_drop_ins),
		LOAD_TEST(test_drop_ins_of_defaults_and_links),
		LOAD_TEST(test_refused_values),
		LOAD_TEST(test_unknown_and_unsupported),
		LOAD_TEST(test_names_of_sections_and_aliases),
		LOAD_TEST(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

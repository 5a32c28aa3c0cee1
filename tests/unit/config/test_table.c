/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys against what is written for people: the installed configuration.toml is what
 * the table says, and the manual page has every key with its default.
 *
 * HUSK_REWRITE=1 in the environment writes config/configuration.toml.in anew.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "config/table.h"
#include "config/value.h"

#define TEXT_MAX (1u << 20)

static char *source_path(const char *name)
{
	const char *dir = getenv("srcdir"); /* automake's */

	return path_join(dir ? dir : ".", name);
}

static char *read_source(const char *name)
{
	auto_free char *path = source_path(name);
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_ok(file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL, &e), &e);
	return text;
}

/* The default as the file shows it: without what depends on where husk is installed. */
static void add_default(const struct config_key *key, struct buf *out)
{
	const char *value = key->built_in;
	size_t prefix = strlen(HUSK_DATADIR);
	bool quoted = key->kind == CONFIG_STRING || key->kind == CONFIG_PROGRAM ||
		      key->kind == CONFIG_CHOICE;

	if (key->kind == CONFIG_LIST)
		buf_addf(out, "[]");
	else if (quoted && strncmp(value, HUSK_DATADIR, prefix) == 0)
		buf_addf(out, "\"@pkgdatadir@%s\"", value + prefix);
	else if (key->kind == CONFIG_PROGRAM)
		buf_addf(out, "\"%.*s\"", (int)strcspn(value, ":"), value);
	else
		buf_addf(out, quoted ? "\"%s\"" : "%s", value);
}

static char *expected_file(void)
{
	struct buf out = BUF_INIT;
	const char *section = "";

	buf_addf(&out,
		 "# SPDX-License-Identifier: Apache-2.0\n"
		 "# The defaults of husk; husk-configuration.toml(5) says more. Each line here "
		 "shows a built-in\n"
		 "# value. Change a copy, /etc/husk/configuration.toml, or put single keys into "
		 "a file of their own\n"
		 "# in /etc/husk/config.d/. huskctl config shows what is in force and why.\n");
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];

		if (strcmp(section, key->section) != 0) {
			section = key->section;
			buf_addf(&out, "\n[%s%s]\n", section,
				 strcmp(section, "hypervisor") == 0 ? ".qemu"
				 : strcmp(section, "agent") == 0    ? ".husk"
								    : "");
		}
		buf_addf(&out, "# %s\n#%s = ", key->doc, key->name);
		add_default(key, &out);
		buf_addf(&out, "\n");
	}
	return out.data;
}

static void test_installed_file(void **state)
{
	auto_free char *want = expected_file();
	auto_free char *have = NULL;

	(void)state;
	if (getenv("HUSK_REWRITE")) {
		auto_free char *path = source_path("config/configuration.toml.in");
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		assert_true(fputs(want, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	have = read_source("config/configuration.toml.in");
	assert_string_equal(have, want);
}

/* The line that a key begins with in the manual page: ".It Ic name No = default". */
static char *manual_item(const struct config_key *key)
{
	struct buf out = BUF_INIT;
	const char *value = key->built_in;
	size_t prefix = strlen(HUSK_DATADIR);

	buf_addf(&out, "\n.It Ic %s No = ", key->name);
	if (key->kind == CONFIG_LIST)
		buf_addf(&out, "[]");
	else if (key->kind == CONFIG_BOOL || key->kind == CONFIG_NUMBER ||
		 key->kind == CONFIG_DECIMAL)
		buf_addf(&out, "%s", value);
	else if (!*value)
		buf_addf(&out, "Qq");
	else if (strncmp(value, HUSK_DATADIR, prefix) == 0)
		buf_addf(&out, "Qq /usr/share/husk%s", value + prefix);
	else
		buf_addf(&out, "Qq %.*s", (int)strcspn(value, ":"), value);
	buf_addf(&out, "\n");
	return out.data;
}

/* Every row, below the heading of its section. */
static void test_manual_page(void **state)
{
	auto_free char *page = read_source("docs/man/husk-configuration.toml.5");
	static const struct {
		const char *section, *heading;
	} headings[] = {
		{ "hypervisor", "\n.Ss Section hypervisor.qemu\n" },
		{ "agent", "\n.Ss Section agent.husk\n" },
		{ "runtime", "\n.Ss Section runtime\n" },
	};

	(void)state;
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];
		auto_free char *item = manual_item(key);

		for (size_t h = 0; h < ARRAY_LEN(headings); h++) {
			const char *from = strstr(page, headings[h].heading), *end, *at;

			assert_non_null(from);
			if (strcmp(headings[h].section, key->section) != 0)
				continue;
			end = strstr(from + 1, "\n.Ss Section ");
			at = strstr(from, item);
			if (!at || (end && at > end))
				fail_msg("%s: not in the manual page: %s", key->section, item + 1);
		}
	}
}

/* What a pod cannot set, in the section on annotations: these keys and no others. */
static void test_manual_page_on_annotations(void **state)
{
	static const char heading[] = "\nKeys that are the host's alone\n.Po\n";
	auto_free char *page = read_source("docs/man/husk-configuration.toml.5");
	char *list = strstr(page, heading), *end;

	(void)state;
	assert_non_null(list);
	list += strlen(heading) - 1;
	end = strstr(list, "\n.Pc\n");
	assert_non_null(end);
	*end = '\0';
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];
		auto_free char *line = xasprintf("\n.Ic %s", key->name);
		const char *at = strstr(list, line);
		bool listed = at && strchr("\n ", at[strlen(line)]); /* or the end of the list */

		if (listed != key->host_only)
			fail_msg("%s is %slisted as the host's alone", key->name,
				 listed ? "" : "not ");
	}
}

/* Every default passes the checks that a value from a file has to pass. */
static void test_rows_are_sound(void **state)
{
	struct config c = { .hypervisor = { .path = NULL } };

	(void)state;
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];
		auto_buf struct buf text = BUF_INIT;
		auto_toml struct toml_value *root = NULL;
		struct err e = ERR_INIT;

		config_set_built_in(&c, key);
		buf_addf(&text, "v = ");
		config_print_value(&c, key, &text);
		assert_ok(toml_parse(text.data, text.len, key->name, &root, &e), &e);
		assert_int_equal(config_set(&c, key, root->list.first, &e), 0);
		assert_ptr_equal(config_key_find(key->section, key->name), key);
		assert_false(config_key_is_ignored(key->section, key->name));
		assert_true(strlen(key->doc) > 0 && strlen(key->doc) < 96);
		config_clear(&c, key);
	}
	assert_true(config_key_is_ignored("hypervisor", "image"));
	assert_false(config_key_is_ignored("hypervisor", "imag"));
	assert_false(config_key_is_ignored("runtime", "image"));
	assert_null(config_key_find("hypervisor", "hypervisor_name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_installed_file),
		cmocka_unit_test(test_manual_page),
		cmocka_unit_test(test_manual_page_on_annotations),
		cmocka_unit_test(test_rows_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

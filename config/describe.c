/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force, as a person (or a TOML parser) reads it; and what to boot. See config.h. */
#include <string.h>

#include "common/base/path.h"
#include "config/value.h"

#define ORIGIN_COLUMN 56 /* where the comment with the origin begins, if the value leaves room */

/* Blocks of the table become tables of TOML, under the name that counts. */
static void print_header(const struct config *c, const char *section, struct buf *ret)
{
	if (strcmp(section, "hypervisor") == 0)
		buf_addf(ret, "\n[hypervisor.%s]\n", c->runtime.hypervisor_name);
	else if (strcmp(section, "agent") == 0)
		buf_addf(ret, "\n[agent.husk]\n");
	else
		buf_addf(ret, "\n[%s]\n", section);
}

char *config_describe(const struct config *c)
{
	struct buf out = BUF_INIT;
	const char *section = "";

	buf_addf(&out, "# Files, in the order read:%s\n",
		 c->origins->files ? "" : " none; built-in values alone");
	for (size_t i = 0; c->origins->files && c->origins->files[i]; i++)
		buf_addf(&out, "#   %s\n", c->origins->files[i]);

	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];
		auto_buf struct buf line = BUF_INIT;

		if (strcmp(section, key->section) != 0) {
			section = key->section;
			print_header(c, section, &out);
		}
		buf_addf(&line, "%s = ", key->name);
		config_print_value(c, key, &line);
		buf_addf(&out, "%-*s # %s\n", ORIGIN_COLUMN, line.data, c->origins->of[i]);
	}
	return out.data;
}

static char *guest_file(const struct config *c, const char *configured, const char *name)
{
	const struct config_runtime *r = &c->runtime;

	if (*configured)
		return xstrdup(configured);
	return xasprintf("%s/%s/%s", r->guest_dir, r->guest_image, name);
}

char *config_guest_kernel(const struct config *c)
{
	return guest_file(c, c->hypervisor.kernel, "vmlinux");
}

char *config_guest_initrd(const struct config *c)
{
	return guest_file(c, c->hypervisor.initrd, "initrd.img");
}

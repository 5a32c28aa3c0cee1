/* SPDX-License-Identifier: Apache-2.0 */
/* The command line; see args.h. */
#include "shim/args.h"

#include <string.h>

static const struct shim_flag {
	const char *name;
	bool is_bool;
	size_t offset;
} flags[] = {
	{ "namespace", false, offsetof(struct shim_args, ns) },
	{ "address", false, offsetof(struct shim_args, address) },
	{ "publish-binary", false, offsetof(struct shim_args, publish_binary) },
	{ "id", false, offsetof(struct shim_args, id) },
	{ "bundle", false, offsetof(struct shim_args, bundle) },
	{ "socket", false, offsetof(struct shim_args, socket) },
	{ "debug", true, offsetof(struct shim_args, debug) },
	{ "v", true, offsetof(struct shim_args, version) },
	{ "config", false, offsetof(struct shim_args, config) },
	{ "version", true, offsetof(struct shim_args, version) },
	{ "info", true, offsetof(struct shim_args, info) },
};

static const struct shim_flag *flag_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
			return &flags[i];
	return NULL;
}

static int parse_bool(const char *name, const char *value, bool *ret, struct err *e)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*ret = strcmp(value, yes[i]) == 0;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "option -%s: '%s' is neither true nor false", name, value);
}

int shim_args_parse(int argc, const char *const *argv, struct shim_args *ret, struct err *e)
{
	struct shim_args args = { .ns = "",
				  .address = "",
				  .publish_binary = "",
				  .id = "",
				  .bundle = "",
				  .socket = "",
				  .config = "",
				  .action = "" };
	int i;

	for (i = 1; i < argc; i++) {
		const char *name = argv[i], *value;
		const struct shim_flag *flag;
		size_t len;
		void *field;

		if (name[0] != '-' || name[1] == '\0')
			break;
		if (strcmp(name, "--") == 0) {
			i++;
			break;
		}
		name += name[1] == '-' ? 2 : 1;
		len = strcspn(name, "=");
		value = name[len] == '=' ? name + len + 1 : NULL;

		flag = flag_find(name, len);
		if (!flag)
			return err_set(e, ERR_INVALID, "unknown option '%.100s'", argv[i]);
		field = (char *)&args + flag->offset;
		if (flag->is_bool) {
			if (parse_bool(flag->name, value ? value : "true", field, e) < 0)
				return -1;
			continue;
		}
		if (!value) {
			if (i + 1 >= argc)
				return err_set(e, ERR_INVALID, "option -%s wants a value",
					       flag->name);
			value = argv[++i];
		}
		*(const char **)field = value;
	}
	if (i < argc)
		args.action = argv[i++];
	if (i < argc)
		return err_set(e, ERR_INVALID, "'%.100s' behind the action '%.100s'", argv[i],
			       args.action);
	*ret = args;
	return 0;
}

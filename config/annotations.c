/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's annotations over the configuration; see annotations.h. */
#include "config/annotations.h"

#include <fnmatch.h>
#include <regex.h>
#include <string.h>

#include "config/load.h"
#include "config/value.h"

#define PREFIX "io.katacontainers.config."

static const char *const sections[] = { "hypervisor", "runtime", "agent" };

/* One annotation, taken apart. */
struct wish {
	const char *annotation, *section, *name, *value;
	const struct config_key *key;
};

/* "hypervisor.default_vcpus" -> a section of ours and the name behind it. */
static bool split(const char *rest, struct wish *w)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		size_t len = strlen(sections[i]);

		if (strncmp(rest, sections[i], len) == 0 && rest[len] == '.') {
			w->section = sections[i];
			w->name = rest + len + 1;
			return true;
		}
	}
	return false;
}

static int find_key(struct wish *w, struct err *e)
{
	const char *name = w->name;

	if (strcmp(w->section, "hypervisor") == 0 && strcmp(name, "default_max_vcpus") == 0)
		name = "default_maxvcpus";
	w->key = config_key_find(w->section, name);
	if (w->key)
		return 0;
	if (config_key_is_ignored(w->section, name))
		return err_set(e, ERR_UNSUPPORTED, "husk does not have '%s'", name);
	return err_set(e, ERR_INVALID, "there is no key '%s.%s'", w->section, name);
}

/* 1: the whole of `text` matches, 0: it does not. */
static int matches(const char *pattern, const char *text, struct err *e)
{
	auto_free char *anchored = xasprintf("^(%s)$", pattern);
	regex_t regex;
	int result = regcomp(&regex, anchored, REG_EXTENDED | REG_NOSUB);

	if (result != 0) {
		char why[128];

		(void)regerror(result, &regex, why, sizeof(why));
		return err_set(e, ERR_INVALID, "enable_annotations: \"%s\": %s", pattern, why);
	}
	result = regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return result == 0;
}

static int check_enabled(const struct config *c, const struct wish *w, struct err *e)
{
	auto_free char *full = xasprintf("%s.%s", w->section, w->name);
	bool bare = strcmp(w->section, "hypervisor") == 0;
	char *const *list = c->hypervisor.enable_annotations;

	for (size_t i = 0; list && list[i]; i++) {
		int found = matches(list[i], full, e);

		if (found == 0 && bare)
			found = matches(list[i], w->name, e);
		if (found != 0)
			return found > 0 ? 0 : -1;
	}
	return err_set(
		e, ERR_INVALID,
		"it is not enabled: no entry of hypervisor.enable_annotations matches \"%s\"",
		bare ? w->name : full);
}

static int check_valid_path(const struct config *c, const struct wish *w, struct err *e)
{
	const struct config_key *list_key = config_key_find(w->section, w->key->valid);
	char *const *globs = *(char **const *)((const char *)c + list_key->offset);

	for (size_t i = 0; globs && globs[i]; i++)
		if (fnmatch(globs[i], w->value, FNM_PATHNAME) == 0)
			return 0;
	return err_set(e, ERR_INVALID, "\"%.200s\" matches nothing in %s.%s", w->value, w->section,
		       w->key->valid);
}

/* true, 12, 0.5, ["a", "b"]: as the file would have it. */
static int set_parsed(struct config *c, const struct wish *w, struct err *e)
{
	auto_free char *text = xasprintf("value = %s\n", w->value);
	auto_toml struct toml_value *root = NULL;

	/* What comes on a second line would be another key, which nobody would look at. */
	if (strpbrk(w->value, "\r\n"))
		return err_set(e, ERR_INVALID, "the value must be one line");
	if (toml_parse(text, strlen(text), w->name, &root, e) < 0)
		return err_set(e, ERR_INVALID, "\"%.200s\" is not a value", w->value);
	return config_set(c, w->key, toml_find(root, "value"), e);
}

static int set_text(struct config *c, const struct wish *w, struct err *e)
{
	auto_free char *text = xstrdup(w->value);
	struct toml_value v = { .type = TOML_STRING, .text = { text, strlen(text) } };

	if (strcmp(w->name, "kernel_params") == 0 && *c->hypervisor.kernel_params != '\0') {
		free(text);
		text = xasprintf("%s %s", c->hypervisor.kernel_params, w->value);
		v.text.data = text;
		v.text.len = strlen(text);
	}
	return config_set(c, w->key, &v, e);
}

static int set(struct config *c, const struct wish *w, struct err *e)
{
	switch (w->key->kind) {
	case CONFIG_STRING:
	case CONFIG_PROGRAM:
	case CONFIG_CHOICE:
		return set_text(c, w, e);
	case CONFIG_LIST:
	case CONFIG_BOOL:
	case CONFIG_NUMBER:
	case CONFIG_DECIMAL:
		break;
	}
	return set_parsed(c, w, e);
}

static int apply(struct config *c, struct wish *w, struct err *e)
{
	char **origin;
	int taken;

	if (find_key(w, e) < 0)
		return -1;
	if (w->key->host_only)
		return err_set(e, ERR_INVALID, "a pod cannot set '%s'", w->name);
	if (check_enabled(c, w, e) < 0 || (w->key->valid && check_valid_path(c, w, e) < 0))
		return -1;
	taken = set(c, w, e);
	if (taken < 0)
		return -1;
	if (taken > 0)
		return err_set(e, ERR_UNSUPPORTED, "husk does not have \"%s\"", w->value);
	origin = &c->origins->of[w->key - config_keys];
	free(*origin);
	*origin = xasprintf("annotation %s", w->annotation);
	return 0;
}

int config_apply_annotations(struct config *c, const struct json_map *annotations, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < annotations->n; i++) {
		const struct json_pair *p = &annotations->pairs[i];
		struct wish w = { .annotation = p->key, .value = p->value };

		if (strncmp(p->key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (!split(p->key + strlen(PREFIX), &w))
			err_set(e, ERR_INVALID, "its section is not hypervisor, runtime or agent");
		else if (apply(c, &w, e) == 0) {
			any = true;
			continue;
		}
		return err_wrap(e, "annotation %s", p->key);
	}
	if (any && config_check_together(c, e) < 0)
		return err_wrap(e, "annotations");
	return 0;
}

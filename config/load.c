/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are read, in which order, and what becomes of their keys; see config.h. */
#include "config/load.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/path.h"
#include "config/value.h"

#define FILE_NAME   "configuration.toml"
#define DROP_IN_DIR "config.d"
#define DROP_IN_MAX 256 /* files in one directory */
#define LINES_MAX   64  /* unsupported keys named in one log line */

/* One file that counts, parsed. */
struct source {
	char *path;
	struct toml_value *root;
};

struct loader {
	struct config *config;
	struct source source[2 * DROP_IN_MAX + 1];
	size_t n;
};

static void loader_free_slot(struct loader **slot)
{
	struct loader *l = *slot;

	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->source[i].path);
		toml_free(l->source[i].root);
	}
	config_free(l->config);
	free(l);
}
#define auto_loader CLEANUP(loader_free_slot)

static int read_source(struct loader *l, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	struct source *s = &l->source[l->n];
	size_t len;

	if (file_read(AT_FDCWD, path, TOML_TEXT_MAX, &text, &len, e) < 0)
		return -1;
	if (toml_parse(text, len, path, &s->root, e) < 0)
		return -1;
	s->path = xstrdup(path);
	l->n++;
	strv_add(&l->config->origins->files, path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_drop_in(const char *name)
{
	size_t len = strlen(name), suffix = strlen(".toml");

	return name[0] != '.' && len > suffix && strcmp(name + len - suffix, ".toml") == 0;
}

/* The *.toml files of dir/config.d, in the order of their bytes whatever the locale. */
static int read_drop_ins(struct loader *l, const char *dir, struct err *e)
{
	auto_free char *path = path_join(dir, DROP_IN_DIR);
	auto_strv char **names = NULL;
	DIR *d = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read directory '%s'", path);
	while ((entry = readdir(d)) != NULL) {
		if (!is_drop_in(entry->d_name))
			continue;
		if (++n > DROP_IN_MAX) {
			(void)closedir(d);
			return err_set(e, ERR_EXHAUSTED, "more than %d files in '%s'", DROP_IN_MAX,
				       path);
		}
		strv_add(&names, entry->d_name);
	}
	(void)closedir(d);

	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		auto_free char *file = path_join(path, names[i]);

		if (read_source(l, file, e) < 0)
			return -1;
	}
	return 0;
}

/* The file, and the drop-ins beside what its symlinks lead to. */
static int read_main_file(struct loader *l, const char *path, struct err *e)
{
	auto_free char *real = realpath(path, NULL);
	char *slash;

	if (!real)
		return err_sys(e, errno, "open '%s'", path);
	if (read_source(l, path, e) < 0)
		return -1;
	slash = strrchr(real, '/');
	*(slash == real ? slash + 1 : slash) = '\0';
	return read_drop_ins(l, real, e);
}

static int read_sources(struct loader *l, const struct config_places *places, const char *path,
			struct err *e)
{
	auto_free char *ours = path_join(places->system_dir, FILE_NAME);
	auto_free char *defaults = path_join(places->defaults_dir, FILE_NAME);
	auto_free char *real_dir = NULL, *real_file = NULL;

	if (path && *path)
		return read_main_file(l, path, e);
	if (places->from_environment && *places->from_environment) {
		if (read_main_file(l, places->from_environment, e) < 0)
			return err_wrap(e, "HUSK_CONF_FILE");
		return 0;
	}

	/* A dangling symlink is a mistake to report, not a file that is not there. */
	if (faccessat(AT_FDCWD, ours, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (read_main_file(l, ours, e) < 0)
			return -1;
		real_file = realpath(ours, NULL);
		real_dir = realpath(places->system_dir, NULL);
		if (real_file && real_dir) {
			*strrchr(real_file, '/') = '\0';
			if (strcmp(real_file, real_dir) == 0)
				return 0; /* its drop-ins were beside it */
		}
	} else if (faccessat(AT_FDCWD, defaults, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (read_main_file(l, defaults, e) < 0)
			return -1;
	}
	return read_drop_ins(l, places->system_dir, e);
}

/* What was met on the way through one file and is worth one log line. */
struct remarks {
	struct buf unsupported; /* "a.b (line 3), c.d (line 4)" */
	unsigned n;
};

static void add_unsupported(struct remarks *r, const char *full, unsigned line)
{
	if (r->n++ < LINES_MAX)
		buf_addf(&r->unsupported, "%s%s (line %u)", r->n > 1 ? ", " : "", full, line);
}

/* false, 0, "", []: husk does not have it, and it was not asked for. */
static bool says_off(const struct toml_value *v)
{
	switch (v->type) {
	case TOML_BOOLEAN:
		return !v->boolean;
	case TOML_INTEGER:
		return v->integer == 0;
	case TOML_FLOAT:
		return v->real == 0;
	case TOML_STRING:
		return v->text.len == 0;
	case TOML_ARRAY:
	case TOML_TABLE:
		return v->list.first == NULL;
	case TOML_DATETIME:
	case TOML_DATETIME_LOCAL:
	case TOML_DATE_LOCAL:
	case TOML_TIME_LOCAL:
		break;
	}
	return false;
}

static void warn_unknown(const struct source *s, const struct toml_value *v, const char *full)
{
	log_warn("%s:%u: unknown %s '%s', ignored", s->path, v->line,
		 v->type == TOML_TABLE ? "section" : "key", full);
}

/*
 * The keys of one table. `section` is the name in config_keys, `shown` as the file has it. A table
 * that does not count (of another hypervisor) has its keys looked at, but not taken.
 */
static int apply_table(struct loader *l, const struct source *s, const struct toml_value *table,
		       const char *section, const char *shown, bool counts, struct remarks *r,
		       struct err *e)
{
	for (const struct toml_value *v = table->list.first; v; v = v->next) {
		auto_free char *full = xasprintf("%s.%s", shown, v->key);
		const struct config_key *key = config_key_find(section, v->key);
		char **origin;
		int taken;

		if (!key) {
			if (!config_key_is_ignored(section, v->key))
				warn_unknown(s, v, full);
			else if (!says_off(v) && counts)
				add_unsupported(r, full, v->line);
			continue;
		}
		if (!counts)
			continue;
		taken = config_set(l->config, key, v, e);
		if (taken < 0)
			return err_wrap(e, "%s:%u: %s", s->path, v->line, full);
		if (taken > 0) {
			add_unsupported(r, full, v->line);
			continue;
		}
		origin = &l->config->origins->of[key - config_keys];
		free(*origin);
		*origin = xasprintf("%s:%u", s->path, v->line);
	}
	return 0;
}

static int need_table(const struct source *s, const struct toml_value *v, const char *shown,
		      struct err *e)
{
	if (v->type == TOML_TABLE)
		return 0;
	return err_set(e, ERR_INVALID, "%s:%u: %s: must be a table, found %s", s->path, v->line,
		       shown, toml_type_name(v->type));
}

/* [section.*]: which names count, which are another driver's, which are unknown. */
static int apply_named_tables(struct loader *l, const struct source *s,
			      const struct toml_value *group, const char *section,
			      const char *const *counting, const char *const *others,
			      struct remarks *r, struct err *e)
{
	for (const struct toml_value *v = group->list.first; v; v = v->next) {
		auto_free char *shown = xasprintf("%s.%s", section, v->key);
		bool counts = false, known = false;

		for (size_t i = 0; counting[i]; i++)
			counts |= strcmp(v->key, counting[i]) == 0;
		for (size_t i = 0; others[i]; i++)
			known |= strcmp(v->key, others[i]) == 0;
		if (!counts && !known) {
			warn_unknown(s, v, shown);
			continue;
		}
		if (need_table(s, v, shown, e) < 0 ||
		    apply_table(l, s, v, section, shown, counts, r, e) < 0)
			return -1;
	}
	return 0;
}

static int apply_source(struct loader *l, const struct source *s, struct err *e)
{
	static const char *const agents[] = { "kata", "husk", NULL }, *const none[] = { NULL };
	static const char *const drivers[] = { "qemu",        "clh",        "cloud-hypervisor",
					       "firecracker", "dragonball", "remote",
					       "stratovirt",  NULL };
	const char *const named[] = { l->config->runtime.hypervisor_name, NULL };
	struct remarks r = { .n = 0 };
	int done = 0;

	for (const struct toml_value *v = s->root->list.first; v && done == 0; v = v->next) {
		bool is_hypervisor = strcmp(v->key, "hypervisor") == 0;
		bool is_agent = strcmp(v->key, "agent") == 0;

		if (!is_hypervisor && !is_agent && strcmp(v->key, "runtime") != 0) {
			if (!config_key_is_ignored("", v->key))
				warn_unknown(s, v, v->key);
			else if (!says_off(v))
				add_unsupported(&r, v->key, v->line);
			continue;
		}
		done = need_table(s, v, v->key, e);
		if (done < 0)
			break;
		if (is_hypervisor)
			done = apply_named_tables(l, s, v, "hypervisor", named, drivers, &r, e);
		else if (is_agent)
			done = apply_named_tables(l, s, v, "agent", agents, none, &r, e);
		else
			done = apply_table(l, s, v, "runtime", "runtime", true, &r, e);
	}
	if (done == 0 && r.n > LINES_MAX)
		log_info("%s: not supported by husk, ignored: %s and %u more", s->path,
			 r.unsupported.data, r.n - LINES_MAX);
	else if (done == 0 && r.n > 0)
		log_info("%s: not supported by husk, ignored: %s", s->path, r.unsupported.data);
	buf_done(&r.unsupported);
	return done;
}

/* First of all, because it says which tables count; the last file that has it wins. */
static int apply_hypervisor_name(struct loader *l, struct err *e)
{
	const struct config_key *key = config_key_find("runtime", "hypervisor_name");

	for (size_t i = 0; i < l->n; i++) {
		const struct source *s = &l->source[i];
		const struct toml_value *runtime = toml_find(s->root, "runtime");
		const struct toml_value *v = runtime && runtime->type == TOML_TABLE
						     ? toml_find(runtime, key->name)
						     : NULL;

		if (v && config_set(l->config, key, v, e) < 0)
			return err_wrap(e, "%s:%u: runtime.%s", s->path, v->line, key->name);
	}
	return 0;
}

static const char *origin_of(const struct config *c, const char *section, const char *name)
{
	return c->origins->of[config_key_find(section, name) - config_keys];
}

/* A maximum of 0 is the host's. */
static int check_most(const struct config *c, const char *key, uint32_t value, const char *max_key,
		      uint32_t max, struct err *e)
{
	if (max == 0 || value <= max)
		return 0;
	return err_set(e, ERR_INVALID, "%s = %u (%s) is more than %s = %u (%s)", key, value,
		       origin_of(c, "hypervisor", key), max_key, max,
		       origin_of(c, "hypervisor", max_key));
}

int config_check_together(const struct config *c, struct err *e)
{
	const struct config_hypervisor *h = &c->hypervisor;

	if (*h->kernel && !*h->initrd)
		return err_set(e, ERR_INVALID,
			       "%s: kernel is set and initrd is not: set both, or "
			       "neither for those of the guest image",
			       origin_of(c, "hypervisor", "kernel"));
	if (*h->initrd && !*h->kernel)
		return err_set(e, ERR_INVALID,
			       "%s: initrd is set and kernel is not: set both, or "
			       "neither for those of the guest image",
			       origin_of(c, "hypervisor", "initrd"));
	if (check_most(c, "default_vcpus", h->default_vcpus, "default_maxvcpus",
		       h->default_maxvcpus, e) < 0)
		return -1;
	return check_most(c, "default_memory", h->default_memory_mib, "default_maxmemory",
			  h->default_maxmemory_mib, e);
}

static struct config *new_config(void)
{
	struct config *c = xnew(struct config);

	c->origins = xnew(struct config_origins);
	c->origins->of = xcalloc(config_n_keys, sizeof(*c->origins->of));
	for (size_t i = 0; i < config_n_keys; i++) {
		config_set_built_in(c, &config_keys[i]);
		c->origins->of[i] = xstrdup("built-in");
	}
	return c;
}

int config_load_from(const struct config_places *places, const char *path, struct config **ret,
		     struct err *e)
{
	auto_loader struct loader *l = xnew(struct loader);

	l->config = new_config();
	if (read_sources(l, places, path, e) < 0 || apply_hypervisor_name(l, e) < 0)
		return err_wrap(e, "configuration");
	for (size_t i = 0; i < l->n; i++)
		if (apply_source(l, &l->source[i], e) < 0)
			return err_wrap(e, "configuration");
	if (config_check_together(l->config, e) < 0)
		return err_wrap(e, "configuration");
	*ret = take_ptr(l->config);
	return 0;
}

int config_load(const char *path, struct config **ret, struct err *e)
{
	const struct config_places places = {
		.from_environment = getenv("HUSK_CONF_FILE"),
		.system_dir = HUSK_SYSCONFDIR,
		.defaults_dir = HUSK_DATADIR,
	};

	return config_load_from(&places, path, ret, e);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < config_n_keys; i++) {
		config_clear(c, &config_keys[i]);
		free(c->origins->of[i]);
	}
	free(c->origins->of);
	strv_free(c->origins->files);
	free(c->origins);
	free(c);
}

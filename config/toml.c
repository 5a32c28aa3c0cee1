/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of a TOML document: keys, tables, arrays, and the rules on what may be defined again.
 * Characters, strings and numbers are in toml_scan.c and toml_number.c; see toml.h.
 */
#include "config/toml.h"

#include <string.h>

#include "config/toml_scan.h"

/* How a table or array came to be decides what may still be added to it. */
enum origin {
	ORIGIN_HEADER = 1, /* [a.b]: b, or the root */
	ORIGIN_IMPLIED,    /* [a.b]: a; may get a header of its own, once */
	ORIGIN_DOTTED,     /* a.b = 1: a; more dotted keys may follow, and [a.c], but not [a] */
	ORIGIN_VALUE,      /* { … } or [ … ]: complete as it stands */
	ORIGIN_TABLES,     /* [[a]]: an array that grows by headers */
};

struct parser {
	struct toml_scan scan;
	unsigned n_values;
	struct toml_value *section; /* where key = value lines go: the last header's table */
};

/* One name of a dotted key. Owned by the parser's caller, in a fixed array: the depth is bounded. */
struct name {
	char *data;
	size_t len;
};

struct path {
	struct name name[TOML_DEPTH_MAX];
	size_t n;
};

static void path_done(struct path *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->name[i].data);
	p->n = 0;
}
#define auto_path CLEANUP(path_done)

void toml_free(struct toml_value *v)
{
	if (!v)
		return;
	switch (v->type) {
	case TOML_ARRAY:
	case TOML_TABLE:
		while (v->list.first) {
			struct toml_value *child = v->list.first;

			v->list.first = child->next;
			toml_free(child);
		}
		break;
	case TOML_STRING:
	case TOML_DATETIME:
	case TOML_DATETIME_LOCAL:
	case TOML_DATE_LOCAL:
	case TOML_TIME_LOCAL:
		free(v->text.data);
		break;
	case TOML_INTEGER:
	case TOML_FLOAT:
	case TOML_BOOLEAN:
		break;
	}
	free(v->key);
	free(v);
}

static struct toml_value *find_name(const struct toml_value *table, const char *key, size_t len)
{
	for (struct toml_value *v = table->list.first; v; v = v->next)
		if (v->key_len == len && memcmp(v->key, key, len) == 0)
			return v;
	return NULL;
}

struct toml_value *toml_find(const struct toml_value *table, const char *key)
{
	return find_name(table, key, strlen(key));
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOLEAN] = "a boolean",
		[TOML_DATETIME] = "a date and time",
		[TOML_DATETIME_LOCAL] = "a local date and time",
		[TOML_DATE_LOCAL] = "a local date",
		[TOML_TIME_LOCAL] = "a local time",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}

/* Each value counts against the limit, so that a megabyte of "[[" cannot take all memory. */
static int count_value(struct parser *p)
{
	if (++p->n_values > TOML_VALUES_MAX)
		return err_set(p->scan.e, ERR_EXHAUSTED, "%s:%u: more than %u values", p->scan.name,
			       p->scan.line, TOML_VALUES_MAX);
	return 0;
}

static struct toml_value *new_list(const struct parser *p, enum toml_type type, enum origin origin)
{
	struct toml_value *v = xnew(struct toml_value);

	v->type = type;
	v->line = p->scan.line;
	v->origin = (uint8_t)origin;
	return v;
}

static void append(struct toml_value *list, struct toml_value *child)
{
	if (list->list.last)
		list->list.last->next = child;
	else
		list->list.first = child;
	list->list.last = child;
}

/* A new table or array under `name`. */
static struct toml_value *add_list(struct parser *p, struct toml_value *parent,
				   const struct name *name, enum toml_type type, enum origin origin)
{
	struct toml_value *v;

	if (count_value(p) < 0)
		return NULL;
	v = new_list(p, type, origin);
	v->key = xmemdup(name->data, name->len + 1);
	v->key_len = name->len;
	append(parent, v);
	return v;
}

static bool is_bare_key(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int parse_name(struct parser *p, struct name *ret)
{
	struct toml_scan *s = &p->scan;
	const char *from = s->at;
	int c = toml_peek(s);

	if (c == '"' || c == '\'') {
		auto_buf struct buf text = BUF_INIT;

		if (toml_scan_string(s, false, &text) < 0)
			return -1;
		ret->len = text.len;
		ret->data = text.data ? take_ptr(text.data) : xstrdup("");
		return 0;
	}
	while (is_bare_key(toml_peek(s)))
		s->at++;
	if (s->at == from)
		return toml_fail(s, "expected a key, found %s", toml_seen(s));
	ret->len = (size_t)(s->at - from);
	ret->data = xstrndup(from, ret->len);
	return 0;
}

/* a.b."c d", with blanks around the dots and behind the last name. */
static int parse_path(struct parser *p, struct path *ret)
{
	struct toml_scan *s = &p->scan;

	for (;;) {
		struct name name;

		if (ret->n == ARRAY_LEN(ret->name))
			return toml_fail(s, "a key of more than %u parts", TOML_DEPTH_MAX);
		toml_skip_blank(s);
		if (parse_name(p, &name) < 0)
			return -1;
		ret->name[ret->n++] = name;
		toml_skip_blank(s);
		if (toml_peek(s) != '.')
			return 0;
		s->at++;
	}
}

static int defined_before(const struct parser *p, const struct name *name,
			  const struct toml_value *v)
{
	return toml_fail(&p->scan, "'%s' is already defined in line %u", name->data, v->line);
}

static int parse_value(struct parser *p, unsigned depth, struct toml_value *ret);

/*
 * The table that `path` without its last name leads to from `table`, made as it goes along. Dotted
 * keys may only pass through what other dotted keys made.
 */
static struct toml_value *walk_dotted(struct parser *p, struct toml_value *table,
				      const struct path *path)
{
	for (size_t i = 0; i + 1 < path->n; i++) {
		struct toml_value *v = find_name(table, path->name[i].data, path->name[i].len);

		if (v && (v->type != TOML_TABLE || v->origin != ORIGIN_DOTTED)) {
			(void)defined_before(p, &path->name[i], v);
			return NULL;
		}
		if (!v)
			v = add_list(p, table, &path->name[i], TOML_TABLE, ORIGIN_DOTTED);
		if (!v)
			return NULL;
		table = v;
	}
	return table;
}

/* key = value, as a line of its own or inside braces. */
static int parse_pair(struct parser *p, struct toml_value *table, unsigned depth)
{
	struct toml_scan *s = &p->scan;
	auto_path struct path path = { .n = 0 };
	auto_toml struct toml_value *v = NULL;
	const struct toml_value *before;
	const struct name *last;

	if (parse_path(p, &path) < 0)
		return -1;
	if (toml_peek(s) != '=')
		return toml_fail(s, "expected '=' after the key, found %s", toml_seen(s));
	s->at++;
	toml_skip_blank(s);

	if (depth + path.n > TOML_DEPTH_MAX)
		return toml_fail(s, "more than %u tables and arrays inside each other",
				 TOML_DEPTH_MAX);
	table = walk_dotted(p, table, &path);
	if (!table)
		return -1;
	last = &path.name[path.n - 1];
	before = find_name(table, last->data, last->len);
	if (before)
		return defined_before(p, last, before);
	if (count_value(p) < 0)
		return -1;

	v = xnew(struct toml_value);
	v->type = TOML_BOOLEAN; /* owns nothing until parse_value() says otherwise */
	v->line = s->line;
	if (parse_value(p, depth + (unsigned)path.n, v) < 0)
		return -1;
	v->key = xmemdup(last->data, last->len + 1);
	v->key_len = last->len;
	append(table, take_ptr(v));
	return 0;
}

/* [ value, … ] with newlines and comments between; the bracket is ahead. */
static int parse_array(struct parser *p, unsigned depth, struct toml_value *ret)
{
	struct toml_scan *s = &p->scan;

	ret->type = TOML_ARRAY;
	ret->origin = ORIGIN_VALUE;
	ret->list.first = ret->list.last = NULL;
	s->at++;
	for (;;) {
		struct toml_value *v;

		toml_skip_lines(s);
		if (toml_peek(s) == ']')
			break;
		if (count_value(p) < 0)
			return -1;
		v = xnew(struct toml_value);
		v->type = TOML_BOOLEAN;
		v->line = s->line;
		append(ret, v);
		if (parse_value(p, depth, v) < 0)
			return -1;
		toml_skip_lines(s);
		if (toml_peek(s) == ']')
			break;
		if (toml_peek(s) != ',')
			return toml_fail(s, "expected ',' or ']' in the array, found %s",
					 toml_seen(s));
		s->at++;
	}
	s->at++;
	return 0;
}

/* { key = value, … } on one line, no comma behind the last; the brace is ahead. */
static int parse_inline_table(struct parser *p, unsigned depth, struct toml_value *ret)
{
	struct toml_scan *s = &p->scan;

	ret->type = TOML_TABLE;
	ret->origin = ORIGIN_VALUE;
	ret->list.first = ret->list.last = NULL;
	s->at++;
	toml_skip_blank(s);
	if (toml_peek(s) == '}') {
		s->at++;
		return 0;
	}
	for (;;) {
		toml_skip_blank(s);
		if (parse_pair(p, ret, depth) < 0)
			return -1;
		toml_skip_blank(s);
		if (toml_peek(s) == '}')
			break;
		if (toml_peek(s) != ',')
			return toml_fail(s, "expected ',' or '}' in the inline table, found %s",
					 toml_seen(s));
		s->at++;
	}
	s->at++;
	return 0;
}

static int parse_value(struct parser *p, unsigned depth, struct toml_value *ret)
{
	struct toml_scan *s = &p->scan;
	int c = toml_peek(s);

	if (depth >= TOML_DEPTH_MAX)
		return toml_fail(s, "more than %u tables and arrays inside each other",
				 TOML_DEPTH_MAX);
	if (c == '"' || c == '\'') {
		auto_buf struct buf text = BUF_INIT;

		if (toml_scan_string(s, true, &text) < 0)
			return -1;
		ret->type = TOML_STRING;
		ret->text.len = text.len;
		ret->text.data = text.data ? take_ptr(text.data) : xstrdup("");
		return 0;
	}
	if (c == '[')
		return parse_array(p, depth + 1, ret);
	if (c == '{')
		return parse_inline_table(p, depth + 1, ret);
	return toml_scan_bare(s, ret);
}

/* The table that the names before the last lead to from the root: where a header hangs its own. */
static struct toml_value *walk_header(struct parser *p, struct toml_value *root,
				      const struct path *path)
{
	struct toml_value *table = root;

	for (size_t i = 0; i + 1 < path->n; i++) {
		struct toml_value *v = find_name(table, path->name[i].data, path->name[i].len);

		if (!v)
			v = add_list(p, table, &path->name[i], TOML_TABLE, ORIGIN_IMPLIED);
		if (!v)
			return NULL;
		if (v->type == TOML_ARRAY && v->origin == ORIGIN_TABLES)
			v = v->list.last; /* [[a]] then [a.b]: the newest a */
		if (v->type != TOML_TABLE || v->origin == ORIGIN_VALUE) {
			(void)defined_before(p, &path->name[i], v);
			return NULL;
		}
		table = v;
	}
	return table;
}

/* [a.b]: the last name must be new, or only implied so far. */
static int open_table(struct parser *p, struct toml_value *parent, const struct name *name)
{
	struct toml_value *v = find_name(parent, name->data, name->len);

	if (v && (v->type != TOML_TABLE || v->origin != ORIGIN_IMPLIED))
		return defined_before(p, name, v);
	if (!v)
		v = add_list(p, parent, name, TOML_TABLE, ORIGIN_HEADER);
	if (!v)
		return -1;
	v->origin = ORIGIN_HEADER;
	v->line = p->scan.line;
	p->section = v;
	return 0;
}

/* [[a.b]]: the last name is new, or an array made by such headers, which gets another table. */
static int open_array_element(struct parser *p, struct toml_value *parent, const struct name *name)
{
	struct toml_value *v = find_name(parent, name->data, name->len);

	if (v && (v->type != TOML_ARRAY || v->origin != ORIGIN_TABLES))
		return defined_before(p, name, v);
	if (!v)
		v = add_list(p, parent, name, TOML_ARRAY, ORIGIN_TABLES);
	if (!v || count_value(p) < 0)
		return -1;
	p->section = new_list(p, TOML_TABLE, ORIGIN_HEADER);
	append(v, p->section);
	return 0;
}

static int parse_header(struct parser *p, struct toml_value *root)
{
	struct toml_scan *s = &p->scan;
	bool is_array = toml_ahead(s, "[[");
	auto_path struct path path = { .n = 0 };
	struct toml_value *parent;
	const struct name *last;

	s->at += is_array ? 2 : 1;
	if (parse_path(p, &path) < 0)
		return -1;
	if (!toml_ahead(s, is_array ? "]]" : "]"))
		return toml_fail(s, "expected '%s' after the table's name, found %s",
				 is_array ? "]]" : "]", toml_seen(s));
	s->at += is_array ? 2 : 1;

	parent = walk_header(p, root, &path);
	if (!parent)
		return -1;
	last = &path.name[path.n - 1];
	if (is_array ? open_array_element(p, parent, last) < 0 : open_table(p, parent, last) < 0)
		return -1;
	return toml_end_line(s);
}

int toml_parse(const char *text, size_t len, const char *name, struct toml_value **ret,
	       struct err *e)
{
	struct parser p = {
		.scan = { .at = text, .end = text + len, .name = name, .line = 1, .e = e },
	};
	auto_toml struct toml_value *root = NULL;
	struct toml_scan *s = &p.scan;

	if (len > TOML_TEXT_MAX)
		return err_set(e, ERR_EXHAUSTED, "%s: %zu bytes, the limit is %u", name, len,
			       TOML_TEXT_MAX);
	if (toml_ahead(s, "\xef\xbb\xbf"))
		s->at += 3; /* a byte order mark, as editors on Windows put it */
	if (toml_check_text(s) < 0)
		return -1;

	root = new_list(&p, TOML_TABLE, ORIGIN_HEADER);
	p.section = root;
	for (;;) {
		toml_skip_lines(s);
		if (toml_peek(s) < 0)
			break;
		if (toml_peek(s) == '[') {
			if (parse_header(&p, root) < 0)
				return -1;
		} else if (parse_pair(&p, p.section, 0) < 0 || toml_end_line(s) < 0) {
			return -1;
		}
	}
	*ret = take_ptr(root);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a text to a tree of values, over yajl's events. yajl's own tree is not used: it has no limit
 * on depth or number of values, takes members twice, and cuts strings at a NUL.
 */
#include "common/json/tree.h"

#include <string.h>
#include <yajl/yajl_parse.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/json/memory.h"

struct parser {
	struct json *root;
	struct json *open[JSON_DEPTH_MAX]; /* containers around the next value, outermost first */
	size_t n_open;
	char *key; /* of the next value, if it is an object's; owned */
	size_t n_values;
	const char *refused; /* why a callback stopped yajl */
	enum err_code code;
};

/* Answers of callbacks to yajl. */
#define GO_ON 1
#define STOP  0

static int refuse(struct parser *p, enum err_code code, const char *why)
{
	p->refused = why;
	p->code = code;
	return STOP;
}

/* Put a new value where the text has it. NULL: refused. */
static struct json *add_value(struct parser *p, enum json_type type)
{
	struct json *around = p->n_open > 0 ? p->open[p->n_open - 1] : NULL;
	struct json *v;

	if (++p->n_values > JSON_VALUES_MAX) {
		(void)refuse(p, ERR_EXHAUSTED, "too many values");
		return NULL;
	}

	v = xnew(struct json);
	v->type = type;
	if (!around) {
		p->root = v;
		return v;
	}

	if (around->n == around->room) {
		around->room = around->room ? around->room * 2 : 4;
		around->items = xrealloc(around->items, around->room * sizeof(struct json *));
		if (around->type == JSON_TYPE_OBJECT)
			around->keys = xrealloc(around->keys, around->room * sizeof(char *));
	}
	if (around->type == JSON_TYPE_OBJECT)
		around->keys[around->n] = take_ptr(p->key);
	around->items[around->n++] = v;
	return v;
}

static int on_null(void *ctx)
{
	return add_value(ctx, JSON_TYPE_NULL) ? GO_ON : STOP;
}

static int on_bool(void *ctx, int truth)
{
	struct json *v = add_value(ctx, JSON_TYPE_BOOL);

	if (!v)
		return STOP;
	v->truth = truth != 0;
	return GO_ON;
}

static int on_number(void *ctx, const char *digits, size_t len)
{
	struct json *v = add_value(ctx, JSON_TYPE_NUMBER);

	if (!v)
		return STOP;
	v->text = xstrndup(digits, len);
	return GO_ON;
}

/* What C strings and protobuf cannot hold. yajl lets both through. */
static int check_text(struct parser *p, const unsigned char *text, size_t len)
{
	if (memchr(text, '\0', len))
		return refuse(p, ERR_INVALID, "a NUL in a string");
	if (!utf8_valid((const char *)text, len))
		return refuse(p, ERR_INVALID, "a string is not UTF-8");
	return GO_ON;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct json *v;

	if (check_text(ctx, text, len) == STOP)
		return STOP;
	v = add_value(ctx, JSON_TYPE_STRING);
	if (!v)
		return STOP;
	v->text = xstrndup((const char *)text, len);
	return GO_ON;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;

	if (check_text(p, text, len) == STOP)
		return STOP;
	p->key = xstrndup((const char *)text, len);
	return GO_ON;
}

static int open_container(struct parser *p, enum json_type type)
{
	struct json *v;

	if (p->n_open == JSON_DEPTH_MAX)
		return refuse(p, ERR_EXHAUSTED, "nested too deeply");
	v = add_value(p, type);
	if (!v)
		return STOP;
	p->open[p->n_open++] = v;
	return GO_ON;
}

static int on_start_object(void *ctx)
{
	return open_container(ctx, JSON_TYPE_OBJECT);
}

static int on_start_array(void *ctx)
{
	return open_container(ctx, JSON_TYPE_ARRAY);
}

static int on_end_array(void *ctx)
{
	struct parser *p = ctx;

	p->n_open--;
	return GO_ON;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two readers of one text must not see different things: which of two members wins is not defined. */
static int on_end_object(void *ctx)
{
	struct parser *p = ctx;
	const struct json *v = p->open[--p->n_open];
	auto_free char **sorted = NULL;

	if (v->n < 2)
		return GO_ON;
	sorted = xmemdup(v->keys, v->n * sizeof(char *));
	qsort(sorted, v->n, sizeof(char *), compare_keys);
	for (size_t i = 1; i < v->n; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return refuse(p, ERR_INVALID, "a member is given twice in an object");
	return GO_ON;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_object,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* "line 3, byte 14: …" for the place text[at]. */
static int err_at(struct err *e, enum err_code code, const char *text, size_t at, const char *why,
		  size_t why_len)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < at; i++)
		if (text[i] == '\n') {
			line++;
			start = i + 1;
		}
	return err_set(e, code, "line %zu, byte %zu: %.*s", line, at - start + 1, (int)why_len,
		       why);
}

/* yajl's reason is "parse error: premature EOF\n" and the like. */
static int err_yajl(struct err *e, yajl_handle h, const char *text, size_t at)
{
	unsigned char *why = yajl_get_error(h, 0, NULL, 0);
	const char *said = (const char *)why;
	int r = err_at(e, ERR_INVALID, text, at, said, strcspn(said, "\n"));

	yajl_free_error(h, why);
	return r;
}

int json_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	yajl_alloc_funcs memory = json_memory;
	struct parser p = { .code = ERR_INVALID };
	yajl_handle h;
	size_t at;
	int r = 0;

	if (len > JSON_TEXT_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu bytes of JSON, the limit is %u", len,
			       JSON_TEXT_MAX);

	h = yajl_alloc(&callbacks, &memory, &p);
	if (yajl_parse(h, (const unsigned char *)text, len) != yajl_status_ok) {
		/* Just behind the last byte it took, which is in the offending token. */
		at = yajl_get_bytes_consumed(h);
		at = at > 0 ? at - 1 : 0;
		r = p.refused ? err_at(e, p.code, text, at, p.refused, strlen(p.refused))
			      : err_yajl(e, h, text, at);
	} else if (yajl_complete_parse(h) != yajl_status_ok) {
		r = err_yajl(e, h, text, len);
	}

	yajl_free(h);
	free(p.key);
	if (r < 0) {
		json_free(p.root);
		return r;
	}
	*ret = p.root;
	return 0;
}

/* Recursion is no deeper than JSON_DEPTH_MAX. */
void json_free(struct json *root)
{
	if (!root)
		return;
	for (size_t i = 0; i < root->n; i++) {
		json_free(root->items[i]);
		if (root->keys)
			free(root->keys[i]);
	}
	free(root->items);
	free(root->keys);
	free(root->text);
	free(root);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Objects into structs, and structs freed again, by tables of their members. */
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/json/tree.h"

/* Where in the document we are, for errors: "process.rlimits[2].soft". */
struct place {
	struct buf text;
};

/* Go one step down. Returns what place_leave() wants. */
static size_t place_enter(struct place *p, const char *key)
{
	size_t before = p->text.len;

	buf_addf(&p->text, "%s%s", before > 0 ? "." : "", key);
	return before;
}

static size_t place_enter_index(struct place *p, size_t i)
{
	size_t before = p->text.len;

	buf_addf(&p->text, "[%zu]", i);
	return before;
}

/* A key that the document chose. The log escapes what is odd in it. */
static size_t place_enter_entry(struct place *p, const char *key)
{
	size_t before = p->text.len;

	buf_addf(&p->text, "[\"%s\"]", key);
	return before;
}

static void place_leave(struct place *p, size_t before)
{
	p->text.len = before;
	p->text.data[before] = '\0';
}

static int refuse(const struct place *p, struct err *e, const char *why)
{
	return err_set(e, ERR_INVALID, "%s%s%s", p->text.len > 0 ? p->text.data : "",
		       p->text.len > 0 ? ": " : "", why);
}

static void *at(void *base, size_t offset)
{
	return (char *)base + offset;
}

static int read_object(struct place *p, const struct json *v, const struct json_field *fields,
		       void *out, struct err *e);

static int check_word(const struct place *p, const char *const *words, const char *text,
		      struct err *e)
{
	auto_buf struct buf why = BUF_INIT;

	if (!words)
		return 0;
	for (const char *const *w = words; *w; w++)
		if (strcmp(*w, text) == 0)
			return 0;

	buf_addf(&why, "'%.64s' is not one of", text);
	for (const char *const *w = words; *w; w++)
		if (**w)
			buf_addf(&why, " %s%s", *w, w[1] ? "," : "");
	return refuse(p, e, why.data);
}

static int read_string(const struct place *p, const struct json_field *f, const struct json *v,
		       char **ret, struct err *e)
{
	const char *text = json_string(v);

	if (!text)
		return refuse(p, e, "not a string");
	if ((f->flags & JSON_NONEMPTY) && !*text)
		return refuse(p, e, "empty");
	if (check_word(p, f->words, text, e) < 0)
		return -1;
	*ret = xstrdup(text);
	return 0;
}

static int read_u32(const struct place *p, const struct json *v, uint32_t *ret, struct err *e)
{
	uint64_t value;

	if (!json_u64(v, &value) || value > UINT32_MAX)
		return refuse(p, e, "not a number from 0 to 4294967295");
	*ret = (uint32_t)value;
	return 0;
}

/* All of JSON_STRINGS, JSON_U32S, JSON_OBJECTS begin with this. */
static int check_array(const struct place *p, const struct json_field *f, const struct json *v,
		       struct err *e)
{
	if (json_type(v) != JSON_TYPE_ARRAY)
		return refuse(p, e, "not an array");
	if ((f->flags & JSON_NONEMPTY) && v->n == 0)
		return refuse(p, e, "empty");
	return 0;
}

static int read_strings(struct place *p, const struct json_field *f, const struct json *v,
			char ***ret, struct err *e)
{
	/* The words are the elements', "not empty" the array's. */
	struct json_field element = { .key = f->key, .kind = JSON_STRING, .words = f->words };
	auto_strv char **strings = NULL;

	if (check_array(p, f, v, e) < 0)
		return -1;
	strings = xcalloc(v->n + 1, sizeof(char *));
	for (size_t i = 0; i < v->n; i++) {
		size_t before = place_enter_index(p, i);

		if (read_string(p, &element, v->items[i], &strings[i], e) < 0)
			return -1;
		place_leave(p, before);
	}
	*ret = take_ptr(strings);
	return 0;
}

static int read_u32s(struct place *p, const struct json_field *f, const struct json *v, void *out,
		     struct err *e)
{
	auto_free uint32_t *numbers = NULL;

	if (check_array(p, f, v, e) < 0)
		return -1;
	if (v->n == 0)
		return 0;
	numbers = xcalloc(v->n, sizeof(*numbers));
	for (size_t i = 0; i < v->n; i++) {
		size_t before = place_enter_index(p, i);

		if (read_u32(p, v->items[i], &numbers[i], e) < 0)
			return -1;
		place_leave(p, before);
	}
	*(uint32_t **)at(out, f->offset) = take_ptr(numbers);
	*(size_t *)at(out, f->count) = v->n;
	return 0;
}

static void map_release(struct json_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->pairs[i].key);
		free(m->pairs[i].value);
	}
	free(m->pairs);
	*m = (struct json_map){ .n = 0 };
}

static int read_map(struct place *p, const struct json_field *f, const struct json *v,
		    struct json_map *m, struct err *e)
{
	const struct json_field element = { .key = f->key, .kind = JSON_STRING };

	if (json_type(v) != JSON_TYPE_OBJECT)
		return refuse(p, e, "not an object");
	if ((f->flags & JSON_NONEMPTY) && v->n == 0)
		return refuse(p, e, "empty");
	if (v->n == 0)
		return 0;
	m->pairs = xcalloc(v->n, sizeof(*m->pairs));
	for (size_t i = 0; i < v->n; i++) {
		size_t before = place_enter_entry(p, v->keys[i]);

		if (read_string(p, &element, v->items[i], &m->pairs[i].value, e) < 0) {
			map_release(m);
			return -1;
		}
		m->pairs[i].key = xstrdup(v->keys[i]);
		m->n = i + 1;
		place_leave(p, before);
	}
	return 0;
}

static int read_objects(struct place *p, const struct json_field *f, const struct json *v,
			void *out, struct err *e)
{
	char *structs;

	if (check_array(p, f, v, e) < 0)
		return -1;
	if (v->n == 0)
		return 0;
	structs = xcalloc(v->n, f->size);
	for (size_t i = 0; i < v->n; i++) {
		size_t before = place_enter_index(p, i);

		if (read_object(p, v->items[i], f->fields, structs + i * f->size, e) < 0) {
			while (i-- > 0)
				json_release(f->fields, structs + i * f->size);
			free(structs);
			return -1;
		}
		place_leave(p, before);
	}
	*(void **)at(out, f->offset) = structs;
	*(size_t *)at(out, f->count) = v->n;
	return 0;
}

static int read_object_ptr(struct place *p, const struct json_field *f, const struct json *v,
			   void **ret, struct err *e)
{
	auto_free void *object = xcalloc(1, f->size);

	if (read_object(p, v, f->fields, object, e) < 0)
		return -1;
	*ret = take_ptr(object);
	return 0;
}

/* A writer that puts out every member, needed or not, asks for nothing with these. */
static bool asks_for_nothing(const struct json *v)
{
	switch (v->type) {
	case JSON_TYPE_NULL:
		return true;
	case JSON_TYPE_BOOL:
		return !v->truth;
	case JSON_TYPE_NUMBER:
		return strcmp(v->text, "0") == 0;
	case JSON_TYPE_STRING:
		return !*v->text;
	case JSON_TYPE_ARRAY:
	case JSON_TYPE_OBJECT:
		return v->n == 0;
	}
	return false;
}

static int read_value(struct place *p, const struct json_field *f, const struct json *v, void *out,
		      struct err *e)
{
	void *to = at(out, f->offset);

	switch (f->kind) {
	case JSON_BOOL:
		return json_bool(v, to) ? 0 : refuse(p, e, "not true or false");
	case JSON_U32:
		return read_u32(p, v, to, e);
	case JSON_U64:
		return json_u64(v, to)
			       ? 0
			       : refuse(p, e, "not a number from 0 to 18446744073709551615");
	case JSON_I64:
		return json_i64(v, to) ? 0
				       : refuse(p, e,
						"not a number from -9223372036854775808 to "
						"9223372036854775807");
	case JSON_STRING:
		return read_string(p, f, v, to, e);
	case JSON_STRINGS:
		return read_strings(p, f, v, to, e);
	case JSON_U32S:
		return read_u32s(p, f, v, out, e);
	case JSON_STRING_MAP:
		return read_map(p, f, v, to, e);
	case JSON_OBJECT:
		return read_object(p, v, f->fields, to, e);
	case JSON_OBJECT_PTR:
		return read_object_ptr(p, f, v, to, e);
	case JSON_OBJECTS:
		return read_objects(p, f, v, out, e);
	case JSON_REFUSED:
		if (asks_for_nothing(v))
			return 0;
		(void)refuse(p, e, "not supported");
		e->code = ERR_UNSUPPORTED;
		return -1;
	case JSON_IGNORED:
		return 0;
	}
	return 0;
}

static int read_object(struct place *p, const struct json *v, const struct json_field *fields,
		       void *out, struct err *e)
{
	if (json_type(v) != JSON_TYPE_OBJECT)
		return refuse(p, e, "not an object");

	for (const struct json_field *f = fields; f->key; f++) {
		const struct json *value = json_get(v, f->key);
		size_t before = place_enter(p, f->key);
		int r = 0;

		if (json_type(value) != JSON_TYPE_NULL) {
			r = read_value(p, f, value, out, e);
			if (r == 0 && f->has)
				*(bool *)at(out, f->has - JSON_HAS(0)) = true;
		} else if (f->flags & JSON_REQUIRED) {
			r = refuse(p, e, "missing");
		}
		if (r < 0) {
			json_release(fields, out);
			return r;
		}
		place_leave(p, before);
	}
	return 0;
}

int json_read(const struct json *v, const char *name, const struct json_field *fields, void *out,
	      struct err *e)
{
	struct place p = { .text = BUF_INIT };
	int r;

	buf_addf(&p.text, "%s", name);
	r = read_object(&p, v, fields, out, e);
	buf_done(&p.text);
	return r;
}

static void free_and_forget(void **p)
{
	free(*p);
	*p = NULL;
}

static void release_objects(const struct json_field *f, void *out)
{
	char **structs = at(out, f->offset);
	size_t *n = at(out, f->count);

	for (size_t i = 0; i < *n; i++)
		json_release(f->fields, *structs + i * f->size);
	free(*structs);
	*structs = NULL;
	*n = 0;
}

static void release_object_ptr(const struct json_field *f, void *out)
{
	void **object = at(out, f->offset);

	if (*object)
		json_release(f->fields, *object);
	free_and_forget(object);
}

void json_release(const struct json_field *fields, void *out)
{
	for (const struct json_field *f = fields; f->key; f++) {
		void *owned = at(out, f->offset);

		switch (f->kind) {
		case JSON_STRING:
			free_and_forget(owned);
			break;
		case JSON_U32S:
			free_and_forget(owned);
			*(size_t *)at(out, f->count) = 0;
			break;
		case JSON_STRINGS:
			strv_free(*(char ***)owned);
			*(char ***)owned = NULL;
			break;
		case JSON_STRING_MAP:
			map_release(owned);
			break;
		case JSON_OBJECT:
			json_release(f->fields, owned);
			break;
		case JSON_OBJECT_PTR:
			release_object_ptr(f, out);
			break;
		case JSON_OBJECTS:
			release_objects(f, out);
			break;
		case JSON_BOOL:
		case JSON_U32:
		case JSON_U64:
		case JSON_I64:
		case JSON_REFUSED:
		case JSON_IGNORED:
			break;
		}
	}
}

const char *json_map_get(const struct json_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->pairs[i].key, key) == 0)
			return m->pairs[i].value;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at single values of a tree. */
#include <stdarg.h>
#include <string.h>

#include "common/base/num.h"
#include "common/json/tree.h"

enum json_type json_type(const struct json *v)
{
	return v ? v->type : JSON_TYPE_NULL;
}

static const struct json *member(const struct json *v, const char *name)
{
	if (json_type(v) != JSON_TYPE_OBJECT)
		return NULL;
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->keys[i], name) == 0)
			return v->items[i];
	return NULL;
}

const struct json *json_get_names(const struct json *v, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, v);
	while (v && (name = va_arg(ap, const char *)))
		v = member(v, name);
	va_end(ap);
	return v;
}

const char *json_string(const struct json *v)
{
	return json_type(v) == JSON_TYPE_STRING ? v->text : NULL;
}

bool json_bool(const struct json *v, bool *ret)
{
	if (json_type(v) != JSON_TYPE_BOOL)
		return false;
	*ret = v->truth;
	return true;
}

bool json_u64(const struct json *v, uint64_t *ret)
{
	return json_type(v) == JSON_TYPE_NUMBER && num_u64(v->text, 10, ret);
}

bool json_i64(const struct json *v, int64_t *ret)
{
	return json_type(v) == JSON_TYPE_NUMBER && num_i64(v->text, ret);
}

size_t json_len(const struct json *v)
{
	return v ? v->n : 0;
}

const struct json *json_at(const struct json *v, size_t i)
{
	return i < json_len(v) ? v->items[i] : NULL;
}

const char *json_key(const struct json *v, size_t i)
{
	return json_type(v) == JSON_TYPE_OBJECT && i < v->n ? v->keys[i] : NULL;
}

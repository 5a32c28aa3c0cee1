/* SPDX-License-Identifier: Apache-2.0 */
/* Texts value by value, over yajl's generator; see json.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/json/json.h"
#include "common/json/memory.h"

struct json_writer {
	yajl_gen gen;
};

struct json_writer *json_writer_new(void)
{
	yajl_alloc_funcs memory = json_memory;
	struct json_writer *w = xnew(struct json_writer);

	w->gen = yajl_gen_alloc(&memory);
	return w;
}

char *json_writer_finish(struct json_writer *w)
{
	const unsigned char *text = NULL;
	size_t len = 0;
	char *copy;

	(void)yajl_gen_get_buf(w->gen, &text, &len);
	copy = xstrndup((const char *)text, len);
	yajl_gen_free(w->gen);
	free(w);
	return copy;
}

void json_write_object(struct json_writer *w)
{
	(void)yajl_gen_map_open(w->gen);
}

void json_write_object_end(struct json_writer *w)
{
	(void)yajl_gen_map_close(w->gen);
}

void json_write_array(struct json_writer *w)
{
	(void)yajl_gen_array_open(w->gen);
}

void json_write_array_end(struct json_writer *w)
{
	(void)yajl_gen_array_close(w->gen);
}

void json_write_string(struct json_writer *w, const char *s)
{
	auto_free char *clean = xstrdup(s);

	utf8_clean(clean);
	(void)yajl_gen_string(w->gen, (const unsigned char *)clean, strlen(clean));
}

void json_write_bool(struct json_writer *w, bool truth)
{
	(void)yajl_gen_bool(w->gen, truth);
}

void json_write_u64(struct json_writer *w, uint64_t n)
{
	char number[24]; /* 20 digits */

	(void)snprintf(number, sizeof(number), "%" PRIu64, n);
	json_write_text(w, number);
}

void json_write_i64(struct json_writer *w, int64_t n)
{
	char number[24]; /* 19 digits and a sign */

	(void)snprintf(number, sizeof(number), "%" PRIi64, n);
	json_write_text(w, number);
}

/* yajl writes the text of a number as it is given: the one way to put in what is JSON already. */
void json_write_text(struct json_writer *w, const char *text)
{
	(void)yajl_gen_number(w->gen, text, strlen(text));
}

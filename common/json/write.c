/* SPDX-License-Identifier: Apache-2.0 */
/* Small JSON texts in one call. */
#include "common/json/json.h"

#include <stdarg.h>

static void write_strings(struct json_writer *w, const char *const *v)
{
	json_write_array(w);
	for (; *v; v++)
		json_write_string(w, *v);
	json_write_array_end(w);
}

char *json_object(const char *member, ...)
{
	struct json_writer *w = json_writer_new();
	va_list ap;

	json_write_object(w);
	va_start(ap, member);
	for (; member; member = va_arg(ap, const char *)) {
		const char *name = member + 2;
		const char *text;
		const char *const *strings;

		switch (member[0]) {
		case 's':
		case 'o':
			text = va_arg(ap, const char *);
			if (!text)
				break;
			json_write_string(w, name);
			if (member[0] == 's')
				json_write_string(w, text);
			else
				json_write_text(w, text);
			break;
		case 'v':
			strings = va_arg(ap, const char *const *);
			if (!strings)
				break;
			json_write_string(w, name);
			write_strings(w, strings);
			break;
		case 'b':
			json_write_string(w, name);
			json_write_bool(w, va_arg(ap, int));
			break;
		case 'u':
			json_write_string(w, name);
			json_write_u64(w, va_arg(ap, unsigned long long));
			break;
		case 'i':
			json_write_string(w, name);
			json_write_i64(w, va_arg(ap, long long));
			break;
		default:
			/* The letter is a literal in our own source: nothing to report to anybody. */
			abort();
		}
	}
	va_end(ap);
	json_write_object_end(w);
	return json_writer_finish(w);
}

char *json_quote(const char *s)
{
	struct json_writer *w = json_writer_new();

	json_write_string(w, s);
	return json_writer_finish(w);
}

char *json_array(const char *const *texts)
{
	struct json_writer *w = json_writer_new();

	json_write_array(w);
	for (; texts && *texts; texts++)
		json_write_text(w, *texts);
	json_write_array_end(w);
	return json_writer_finish(w);
}

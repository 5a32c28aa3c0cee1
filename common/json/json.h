/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_JSON_JSON_H
#define HUSK_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * JSON (RFC 8259) in three layers: a text becomes a tree of values; values are looked at one by
 * one, or a whole object is read into a struct by a table; and texts are written.
 *
 * Only what a program can use is taken: strings are UTF-8 without NUL, no member is given twice, a
 * number keeps its digits until somebody asks for it in some width.
 */

/* Limits of one text. Past them json_parse() answers ERR_EXHAUSTED. */
#define JSON_TEXT_MAX   (4u << 20) /* bytes */
#define JSON_VALUES_MAX 200000u    /* values of any type: what keeps the memory within reason */
#define JSON_DEPTH_MAX  32u        /* arrays and objects inside each other */

/* ---- Trees ---- */

/* A value. The root owns everything below it; all but the root are borrowed. */
struct json;

enum json_type {
	JSON_TYPE_NULL,
	JSON_TYPE_BOOL,
	JSON_TYPE_NUMBER,
	JSON_TYPE_STRING,
	JSON_TYPE_ARRAY,
	JSON_TYPE_OBJECT,
};

/*
 * One whole text. ERR_INVALID with "line 3, byte 14: …" if it is not JSON (bytes of the line, both
 * counted from 1). *ret is for json_free().
 */
int json_parse(const char *text, size_t len, struct json **ret, struct err *e) must_check;
void json_free(struct json *root);

static inline void json_free_slot(struct json **root)
{
	json_free(*root);
}
#define auto_json CLEANUP(json_free_slot)

/*
 * json_get(v, "return", "fd"): member "fd" of member "return" of v. NULL if there is no such thing,
 * and for a v of NULL, so that a lookup and a conversion can stand in one expression.
 */
#define json_get(v, ...) json_get_names(v, __VA_ARGS__, (const char *)NULL)
const struct json *json_get_names(const struct json *v, ...) __attribute__((sentinel));

/* NULL counts as JSON_TYPE_NULL: what is absent and what is null are the same to most readers. */
enum json_type json_type(const struct json *v);

/* The text of a string, borrowed. NULL if v is anything else. */
const char *json_string(const struct json *v);

/* False, and *ret untouched, unless v is of that type and within the range. */
bool json_bool(const struct json *v, bool *ret);
bool json_u64(const struct json *v, uint64_t *ret);
bool json_i64(const struct json *v, int64_t *ret);

/* Elements of an array, members of an object in their order; 0 for everything else. */
size_t json_len(const struct json *v);
const struct json *json_at(const struct json *v, size_t i); /* NULL past the end */
const char *json_key(const struct json *v, size_t i);       /* of an object's member; else NULL */

/* ---- Structs by table ---- */

/* Kinds of members, and what each wants at .offset. Everything allocated is owned by the struct. */
enum json_kind {
	JSON_BOOL,       /* bool */
	JSON_U32,        /* uint32_t */
	JSON_U64,        /* uint64_t */
	JSON_I64,        /* int64_t */
	JSON_STRING,     /* char *, NULL if absent; .words: only one of these */
	JSON_STRINGS,    /* char **, NULL-terminated; NULL if absent; .words as above */
	JSON_U32S,       /* uint32_t *, number at .count */
	JSON_STRING_MAP, /* struct json_map */
	JSON_OBJECT,     /* a struct, described by .fields */
	JSON_OBJECT_PTR, /* pointer to a struct of .size, described by .fields; NULL if absent */
	JSON_OBJECTS,    /* pointer to structs of .size, described by .fields; number at .count */
	JSON_REFUSED,    /* ERR_UNSUPPORTED if it is there and not null, false, 0, "", [] or {} */
	JSON_IGNORED,    /* known, and of no use to husk */
};

/* Distinct from 0 for a bool that is the first member, too. */
#define JSON_HAS(offset) ((offset) + 1)

enum json_field_flag {
	JSON_REQUIRED = 1 << 0, /* must be there and not null */
	JSON_NONEMPTY = 1 << 1, /* if there, a string, array or map has at least one element */
};

/*
 * One member of an object. A table ends with a row whose key is NULL. Members without a row are
 * ignored, as the OCI specification asks for.
 */
struct json_field {
	const char *key;
	enum json_kind kind;
	size_t offset;
	unsigned flags;                  /* of enum json_field_flag */
	const struct json_field *fields; /* JSON_OBJECT, _PTR, JSON_OBJECTS */
	size_t size;                     /* JSON_OBJECT_PTR, JSON_OBJECTS */
	size_t count;                    /* offset of the size_t: JSON_OBJECTS, JSON_U32S */
	size_t has; /* JSON_HAS(offset of a bool that tells whether it was there); 0: not wanted */
	const char *const *words; /* JSON_STRING, JSON_STRINGS; NULL-terminated */
};

/* Pairs in their order. `get` answers NULL for a key that is not there. */
struct json_map {
	size_t n;
	struct json_pair {
		char *key, *value;
	} * pairs;
};

const char *json_map_get(const struct json_map *m, const char *key);

/*
 * Read object `v` into the struct at `out`, which must be zeroed. `name` is what v is called in
 * errors ("process"; "" for a document). The first thing that does not fit is ERR_INVALID with its
 * place: "process.user.gid: not a number from 0 to 4294967295", "mounts[3].destination: missing";
 * nothing that was allocated is left in *out then.
 *
 * Null is the same as absent, as in Go. Members that are absent leave zeroes.
 */
int json_read(const struct json *v, const char *name, const struct json_field *fields, void *out,
	      struct err *e) must_check;

/* Free all that json_read() allocated in the struct at `out`, and zero those members. */
void json_release(const struct json_field *fields, void *out);

/* ---- Texts ---- */

/*
 * An object from pairs of "<letter>:<member>" and value, ended by NULL:
 *
 *	json_object("s:id", id, "b:readonly", ro, "u:size", (unsigned long long)n, NULL)
 *
 *	s  const char *         a string; bytes that are not UTF-8 become '?'
 *	b  int (bool)
 *	u  unsigned long long
 *	i  long long
 *	v  const char *const *  strings, NULL-terminated: an array
 *	o  const char *         JSON text, written as it is
 *
 * A NULL of s, v or o leaves the member out. One line without newline, for free().
 */
char *json_object(const char *member, ...) must_check __attribute__((sentinel));

/* One string as JSON text, quotes included; bytes that are not UTF-8 become '?'. For free(). */
char *json_quote(const char *s) must_check;

/* "[a,b,c]" of JSON texts (NULL-terminated; NULL: "[]"), for an o of json_object(). For free(). */
char *json_array(const char *const *texts) must_check;

/*
 * Bigger texts, value by value: those of an array between json_write_array() and its end, those of an
 * object each behind its key, which is a string like any other. json_writer_finish() frees the writer;
 * what it returns is one line without newline, for free().
 */
struct json_writer;

struct json_writer *json_writer_new(void) must_check;
char *json_writer_finish(struct json_writer *w) must_check;

void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_string(struct json_writer *w, const char *s); /* bytes that are not UTF-8: '?' */
void json_write_bool(struct json_writer *w, bool truth);
void json_write_u64(struct json_writer *w, uint64_t n);
void json_write_i64(struct json_writer *w, int64_t n);
void json_write_text(struct json_writer *w, const char *text); /* JSON already: as it is */

#endif

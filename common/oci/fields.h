/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_FIELDS_H
#define HUSK_OCI_FIELDS_H

#include "common/oci/spec.h"

/* The tables by which JSON becomes the structs of spec.h. For the files of this directory only. */
extern const struct json_field oci_spec_fields[];       /* struct oci_spec */
extern const struct json_field oci_process_fields[];    /* struct oci_process */
extern const struct json_field oci_linux_fields[];      /* struct oci_linux */
extern const struct json_field oci_id_mapping_fields[]; /* struct oci_id_mapping */
extern const struct json_field oci_resources_fields[];  /* struct oci_resources */

/*
 * What the tables cannot say: absolute paths, ranges, what may be there only once. `place` is how
 * errors begin ("process", "linux.resources").
 */
int oci_process_check(const struct oci_process *p, const char *place, struct err *e) must_check;
int oci_resources_check(const struct oci_resources *r, const char *place, struct err *e) must_check;
int oci_spec_check(const struct oci_spec *s, struct err *e) must_check;

/* Rows. `s` is the struct's name without "oci_", `m` the member, `k` the key in the JSON text. */
#define OCI_AT(s, m) offsetof(struct oci_##s, m)
#define OCI_ROW(s, m, k, json_kind, ...)                                             \
	{                                                                            \
		.key = (k), .kind = (json_kind), .offset = OCI_AT(s, m), __VA_ARGS__ \
	}

#define OCI_STRING(s, m, k, ...)  OCI_ROW(s, m, k, JSON_STRING, __VA_ARGS__)
#define OCI_STRINGS(s, m, k, ...) OCI_ROW(s, m, k, JSON_STRINGS, __VA_ARGS__)
#define OCI_BOOL(s, m, k, ...)    OCI_ROW(s, m, k, JSON_BOOL, __VA_ARGS__)
#define OCI_MAP(s, m, k)          OCI_ROW(s, m, k, JSON_STRING_MAP, .flags = 0)
/* A number that may be left out: its presence is kept in has_<m>. */
#define OCI_NUMBER(s, m, k, json_kind) \
	OCI_ROW(s, m, k, json_kind, .has = JSON_HAS(OCI_AT(s, has_##m)))
/* Structs inside: in place, behind a pointer, in an array counted by n_<m>. */
#define OCI_OBJECT(s, m, k, table) OCI_ROW(s, m, k, JSON_OBJECT, .fields = (table))
#define OCI_POINTER(s, m, k, inner, table, ...)                                            \
	OCI_ROW(s, m, k, JSON_OBJECT_PTR, .size = sizeof(struct inner), .fields = (table), \
		__VA_ARGS__)
#define OCI_ARRAY(s, m, k, inner, table)                                                \
	OCI_ROW(s, m, k, JSON_OBJECTS, .size = sizeof(struct inner), .fields = (table), \
		.count = OCI_AT(s, n_##m))

#define OCI_REFUSED(k)                           \
	{                                        \
		.key = (k), .kind = JSON_REFUSED \
	}
#define OCI_IGNORED(k)                           \
	{                                        \
		.key = (k), .kind = JSON_IGNORED \
	}
#define OCI_END             \
	{                   \
		.key = NULL \
	}

#endif

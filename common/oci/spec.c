/* SPDX-License-Identifier: Apache-2.0 */
/* Texts to OCI structs and back to nothing; see spec.h. The tables are in the *_fields.c files. */
#include "common/oci/spec.h"

#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/oci/fields.h"

/* Parse a text into the zeroed struct at `out`. `name` as for json_read(). */
static int parse(const char *text, size_t len, const char *name, const struct json_field *fields,
		 void *out, struct err *e)
{
	auto_json struct json *v = NULL;

	if (json_parse(text, len, &v, e) < 0)
		return *name ? err_wrap(e, "%s", name) : -1;
	return json_read(v, name, fields, out, e);
}

/* Writers that put out every member write "" for a namespace that is to be made. */
static void forget_empty_paths(struct oci_linux *l)
{
	for (size_t i = 0; i < l->n_namespaces; i++)
		if (l->namespaces[i].path && !*l->namespaces[i].path) {
			free(l->namespaces[i].path);
			l->namespaces[i].path = NULL;
		}
}

int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *e)
{
	auto_oci_spec struct oci_spec *s = xnew(struct oci_spec);

	if (parse(text, len, "", oci_spec_fields, s, e) < 0)
		return -1;
	forget_empty_paths(&s->linux);
	if (oci_spec_check(s, e) < 0)
		return -1;
	*ret = take_ptr(s);
	return 0;
}

void oci_spec_free(struct oci_spec *s)
{
	if (!s)
		return;
	json_release(oci_spec_fields, s);
	free(s);
}

int oci_spec_load(int dirfd, const char *path, struct oci_spec **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;

	if (file_read(dirfd, path, JSON_TEXT_MAX, &text, &len, e) < 0)
		return -1;
	if (oci_spec_parse(text, len, ret, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

int oci_process_parse(const char *text, size_t len, struct oci_process **ret, struct err *e)
{
	auto_oci_process struct oci_process *p = xnew(struct oci_process);

	if (parse(text, len, "process", oci_process_fields, p, e) < 0 ||
	    oci_process_check(p, "process", e) < 0)
		return -1;
	*ret = take_ptr(p);
	return 0;
}

void oci_process_free(struct oci_process *p)
{
	if (!p)
		return;
	json_release(oci_process_fields, p);
	free(p);
}

int oci_resources_parse(const char *text, size_t len, struct oci_resources **ret, struct err *e)
{
	auto_oci_resources struct oci_resources *r = xnew(struct oci_resources);

	if (parse(text, len, "resources", oci_resources_fields, r, e) < 0 ||
	    oci_resources_check(r, "resources", e) < 0)
		return -1;
	*ret = take_ptr(r);
	return 0;
}

void oci_resources_free(struct oci_resources *r)
{
	if (!r)
		return;
	json_release(oci_resources_fields, r);
	free(r);
}

const struct oci_namespace *oci_find_namespace(const struct oci_spec *s, const char *type)
{
	for (size_t i = 0; i < s->linux.n_namespaces; i++)
		if (strcmp(s->linux.namespaces[i].type, type) == 0)
			return &s->linux.namespaces[i];
	return NULL;
}

const char *oci_annotation(const struct oci_spec *s, const char *key)
{
	return json_map_get(&s->annotations, key);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of oci.proto as JSON of the OCI specification, by their descriptors; see message_text.h. The
 * names are the specification's own in Go's spelling, so that three tables say all: the names that follow
 * no rule, the members that are always there, and where -1 and not 0 is absent.
 */
#include "common/oci/message_text.h"

#include <ctype.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/oci/message.h"

/* ---- Names ---- */

static const struct {
	const char *field, *key;
} other_names[] = {
	{ "Version", "ociVersion" },
	{ "Pagesize", "pageSize" },
	{ "errnoret", "errnoRet" },
};

/* The first word in small letters: "BlockIO" is "blockIO", "CPU" "cpu" and "OOMScoreAdj" "oomScoreAdj". */
static char *key_of(const char *field)
{
	char *key;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
		if (strcmp(other_names[i].field, field) == 0)
			return xstrdup(other_names[i].key);
	key = xstrdup(field);
	while (isupper((unsigned char)key[n]))
		n++;
	/* The last capital of several begins the second word. */
	if (n > 1 && key[n])
		n--;
	for (size_t i = 0; i < n; i++)
		key[i] = (char)tolower((unsigned char)key[i]);
	return key;
}

/* ---- Presence ---- */

/* What readers find there in any case. */
static const struct {
	const ProtobufCMessageDescriptor *type;
	const char *fields[5];
} always_there[] = {
	{ &grpc__spec__descriptor, { "Version" } },
	{ &grpc__process__descriptor, { "User", "Cwd" } },
	{ &grpc__box__descriptor, { "Height", "Width" } },
	{ &grpc__user__descriptor, { "UID", "GID" } },
	{ &grpc__posixrlimit__descriptor, { "Type", "Hard", "Soft" } },
	{ &grpc__mount__descriptor, { "destination" } },
	{ &grpc__root__descriptor, { "Path" } },
	{ &grpc__hook__descriptor, { "Path" } },
	{ &grpc__linux_idmapping__descriptor, { "ContainerID", "HostID", "Size" } },
	{ &grpc__linux_namespace__descriptor, { "Type" } },
	{ &grpc__linux_device__descriptor, { "Path", "Type", "Major", "Minor" } },
	{ &grpc__linux_device_cgroup__descriptor, { "Allow" } },
	{ &grpc__linux_pids__descriptor, { "Limit" } },
	{ &grpc__linux_weight_device__descriptor, { "Major", "Minor" } },
	{ &grpc__linux_throttle_device__descriptor, { "Major", "Minor", "Rate" } },
	{ &grpc__linux_hugepage_limit__descriptor, { "Pagesize", "Limit" } },
	{ &grpc__linux_interface_priority__descriptor, { "Name", "Priority" } },
	{ &grpc__linux_seccomp__descriptor, { "DefaultAction" } },
	{ &grpc__linux_seccomp_arg__descriptor, { "Index", "Value", "Op" } },
	{ &grpc__linux_syscall__descriptor, { "Names", "Action" } },
};

static bool is_always_there(const ProtobufCMessageDescriptor *type, const char *field)
{
	for (size_t i = 0; i < ARRAY_LEN(always_there); i++) {
		if (always_there[i].type != type)
			continue;
		for (const char *const *f = always_there[i].fields; *f; f++)
			if (strcmp(*f, field) == 0)
				return true;
	}
	return false;
}

/* Repeated fields and members of a oneof have a number beside them: how many, which one. */
static const void *beside(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (const char *)m + f->quantifier_offset;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const void *value)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)beside(m, f) > 0;
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)beside(m, f) == f->id;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return *(const char *const *)value && **(const char *const *)value;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const ProtobufCMessage *const *)value;
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return *(const protobuf_c_boolean *)value;
	if (f->type == PROTOBUF_C_TYPE_UINT32)
		return *(const uint32_t *)value > 0;
	/* A device number in a rule: -1 is every one. */
	if (m->descriptor == &grpc__linux_device_cgroup__descriptor)
		return *(const int64_t *)value >= 0;
	return *(const uint64_t *)value > 0;
}

/* ---- Values ---- */

static void write_message(struct json_writer *w, const ProtobufCMessage *m);

static void write_absent_message(struct json_writer *w, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *m = oci_message_new(type);

	write_message(w, m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void write_value(struct json_writer *w, const ProtobufCFieldDescriptor *f, const void *value)
{
	const ProtobufCMessage *m;
	const char *s;

	if (f->type == PROTOBUF_C_TYPE_STRING) {
		s = *(const char *const *)value;
		json_write_string(w, s ? s : "");
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		m = *(const ProtobufCMessage *const *)value;
		if (m)
			write_message(w, m);
		else
			write_absent_message(w, f->descriptor);
	} else if (f->type == PROTOBUF_C_TYPE_BOOL) {
		json_write_bool(w, *(const protobuf_c_boolean *)value);
	} else if (f->type == PROTOBUF_C_TYPE_UINT32) {
		json_write_u64(w, *(const uint32_t *)value);
	} else if (f->type == PROTOBUF_C_TYPE_UINT64) {
		json_write_u64(w, *(const uint64_t *)value);
	} else if (f->type == PROTOBUF_C_TYPE_INT64) {
		json_write_i64(w, *(const int64_t *)value);
	} else {
		abort(); /* oci.proto, our own, has no other types */
	}
}

/* protobuf-c knows nothing of maps: they are repeated messages with these names (protobuf's encoding). */
static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *entry = f->descriptor;

	return f->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
	       strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0;
}

static void write_map(struct json_writer *w, const ProtobufCMessage *const *entry, size_t n)
{
	json_write_object(w);
	for (size_t i = 0; i < n; i++)
		for (unsigned j = 0; j < 2; j++) {
			const ProtobufCFieldDescriptor *f = &entry[i]->descriptor->fields[j];

			write_value(w, f, (const char *)entry[i] + f->offset);
		}
	json_write_object_end(w);
}

static void write_array(struct json_writer *w, const ProtobufCFieldDescriptor *f, const char *items,
			size_t n)
{
	size_t size = f->type == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : sizeof(void *);

	json_write_array(w);
	for (size_t i = 0; i < n; i++)
		write_value(w, f, items + i * size);
	json_write_array_end(w);
}

static void write_field(struct json_writer *w, const ProtobufCMessage *m,
			const ProtobufCFieldDescriptor *f)
{
	const void *value = (const char *)m + f->offset;
	auto_free char *key = NULL;

	if (!is_set(m, f, value) && !is_always_there(m->descriptor, f->name))
		return;
	key = key_of(f->name);
	json_write_string(w, key);
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		write_value(w, f, value);
	else if (is_map(f))
		write_map(w, *(const ProtobufCMessage *const *const *)value,
			  *(const size_t *)beside(m, f));
	else
		write_array(w, f, *(const char *const *)value, *(const size_t *)beside(m, f));
}

/* As deep as oci.proto is, which has no message inside itself. */
static void write_message(struct json_writer *w, const ProtobufCMessage *m)
{
	json_write_object(w);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		write_field(w, m, &m->descriptor->fields[i]);
	json_write_object_end(w);
}

char *oci_spec_message_text(const Grpc__Spec *spec)
{
	struct json_writer *w = json_writer_new();

	write_message(w, &spec->base);
	return json_writer_finish(w);
}

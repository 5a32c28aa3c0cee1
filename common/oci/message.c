/* SPDX-License-Identifier: Apache-2.0 */
/* Building and changing protobuf messages; see message.h. */
#include "common/oci/message.h"

#include "common/base/mem.h"

void *oci_message_new(const ProtobufCMessageDescriptor *type)
{
	void *m = xcalloc(1, type->sizeof_message);

	protobuf_c_message_init(type, m);
	return m;
}

void *oci_message_array(const ProtobufCMessageDescriptor *type, size_t n)
{
	void **array;

	if (n == 0)
		return NULL;
	array = xcalloc(n, sizeof(*array));
	for (size_t i = 0; i < n; i++)
		array[i] = oci_message_new(type);
	return array;
}

void oci_message_set(char **field, const char *s)
{
	if (!s)
		return;
	/* Fields that are not set point to one "" that belongs to nobody. */
	if (*field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(s);
}

void oci_message_set_strings(char ***field, size_t *n_field, char *const *strings)
{
	size_t n = 0;

	if (!strings || !strings[0])
		return;
	while (strings[n])
		n++;
	*field = xcalloc(n, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		(*field)[i] = xstrdup(strings[i]);
	*n_field = n;
}

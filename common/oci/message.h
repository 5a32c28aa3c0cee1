/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_MESSAGE_H
#define HUSK_OCI_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/cleanup.h"

/* Building and changing messages of which every part is from malloc(), as of those that were unpacked. */

/* A new message with its fields at their defaults. */
void *oci_message_new(const ProtobufCMessageDescriptor *type) must_check;

/* n of them behind an array of pointers, as repeated fields are kept. NULL for none. */
void *oci_message_array(const ProtobufCMessageDescriptor *type, size_t n) must_check;

/* Copy a string into a field, in place of what is there; NULL leaves that. */
void oci_message_set(char **field, const char *s);

/* Copy NULL-terminated strings (or NULL) into a repeated field. */
void oci_message_set_strings(char ***field, size_t *n_field, char *const *strings);

#endif

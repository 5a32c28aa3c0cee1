/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_BASE64_H
#define HUSK_TESTS_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

/* Base64 with padding (RFC 4648, section 4). */
void base64_encode(const uint8_t *data, size_t len, struct buf *out);

/* False unless the text is exactly that; *ret is for free(). */
bool base64_decode(const char *text, uint8_t **ret, size_t *ret_len) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_UTF8_H
#define HUSK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. protobuf and
 * JSON take nothing else, and one bad string makes their peers refuse the whole message.
 */

/* Bytes of the valid sequence at the start of s[0..len), len > 0; 0 if there is none. */
size_t utf8_length(const char *s, size_t len);

bool utf8_valid(const char *s, size_t len);

/* Replace each byte of s that is not part of a valid sequence by '?', in place. */
void utf8_clean(char *s);

#endif

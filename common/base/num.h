/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_NUM_H
#define HUSK_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Strict numbers: the whole string, digits only (and one leading '-' where signed), no spaces, no
 * overflow. `base` is 8, 10 or 16; no prefix such as 0x is taken. On false *ret is untouched.
 */
bool num_u64(const char *s, int base, uint64_t *ret);
bool num_u32(const char *s, int base, uint32_t *ret);
bool num_i64(const char *s, int64_t *ret);

/* The value of one hexadecimal digit, either case; -1: it is none. */
int num_hex_digit(int c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Strict numbers; see num.h. */
#include "common/base/num.h"

int num_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool num_u64(const char *s, int base, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		int d = num_hex_digit(*s);

		if (d < 0 || d >= base)
			return false;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)d, &value))
			return false;
	}
	*ret = value;
	return true;
}

bool num_u32(const char *s, int base, uint32_t *ret)
{
	uint64_t value;

	if (!num_u64(s, base, &value) || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool num_i64(const char *s, int64_t *ret)
{
	bool minus = *s == '-';
	uint64_t value;

	if (!num_u64(s + minus, 10, &value))
		return false;
	if (value > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = minus ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

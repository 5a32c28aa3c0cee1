/* SPDX-License-Identifier: Apache-2.0 */
/* Text to addresses; see address.h. */
#include "common/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

unsigned ip_size(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

int ip_prefix_parse_mask(const char *address, const char *mask, struct ip_prefix *ret,
			 struct err *e)
{
	struct ip_prefix p = { .family = strchr(address, ':') ? AF_INET6 : AF_INET };
	uint32_t len = ip_size(p.family) * 8;
	uint32_t longest = len;

	if (inet_pton(p.family, address, p.bytes) != 1)
		return err_set(e, ERR_INVALID, "'%s' is no IP address", address);
	if (mask[0] && (!num_u32(mask, 10, &len) || len > longest))
		return err_set(e, ERR_INVALID, "'%s' is no prefix length of '%s'", mask, address);
	p.len = (uint8_t)len;
	*ret = p;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret, struct err *e)
{
	size_t len = strcspn(text, "/");
	auto_free char *address = xstrndup(text, len);

	if (text[len] == '/' && text[len + 1] == '\0')
		return err_set(e, ERR_INVALID, "'%s' has no prefix length", text);
	return ip_prefix_parse_mask(address, text[len] ? text + len + 1 : "", ret, e);
}

int hardware_address_parse(const char *text, uint8_t ret[static HARDWARE_ADDRESS_LEN],
			   struct err *e)
{
	uint8_t bytes[HARDWARE_ADDRESS_LEN];

	for (size_t i = 0; i < HARDWARE_ADDRESS_LEN; i++) {
		const char *at = text + 3 * i;
		char digits[3] = { 0 };
		uint32_t value;

		if (strnlen(text, HARDWARE_ADDRESS_TEXT) != HARDWARE_ADDRESS_TEXT - 1 ||
		    at[2] != (i + 1 < HARDWARE_ADDRESS_LEN ? ':' : '\0'))
			return err_set(e, ERR_INVALID, "'%s' is no hardware address", text);
		memcpy(digits, at, 2);
		if (!num_u32(digits, 16, &value))
			return err_set(e, ERR_INVALID, "'%s' is no hardware address", text);
		bytes[i] = (uint8_t)value;
	}
	memcpy(ret, bytes, sizeof(bytes));
	return 0;
}

int interface_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strpbrk(name, "/: \t\n") || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return err_set(e, ERR_INVALID, "'%s' is no name of a network interface", name);
	return 0;
}

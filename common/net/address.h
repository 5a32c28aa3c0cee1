/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_ADDRESS_H
#define HUSK_NET_ADDRESS_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Addresses as the agent protocol writes them. Pure: nothing here knows of netlink. */

#define HARDWARE_ADDRESS_LEN  6
#define HARDWARE_ADDRESS_TEXT 18 /* bytes of "02:00:00:00:00:01" with the NUL */

struct ip_prefix {
	int family;  /* AF_INET, AF_INET6 */
	uint8_t len; /* bits */
	uint8_t bytes[16];
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; without a length: the whole address. */
int ip_prefix_parse(const char *text, struct ip_prefix *ret, struct err *e) must_check;

/* The length apart, a decimal string, as in Interface.IPAddresses; "" means the whole address. */
int ip_prefix_parse_mask(const char *address, const char *mask, struct ip_prefix *ret,
			 struct err *e) must_check;

unsigned ip_size(int family); /* bytes of an address */

/* "02:00:00:00:00:01", either case. */
int hardware_address_parse(const char *text, uint8_t ret[static HARDWARE_ADDRESS_LEN],
			   struct err *e) must_check;

/* An interface name that the kernel takes. */
int interface_name_check(const char *name, struct err *e) must_check;

#endif

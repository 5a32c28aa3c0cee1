/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as anybody could send them: what parses is text inside the message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device/uevent.h"
#include "common/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s, const char *message, size_t size)
{
	if (s[0] && (s < message || s + strlen(s) >= message + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *message = xmemdup(data, size);
	struct uevent u;

	if (!uevent_parse(message, size, &u))
		return 0;
	if (!u.action[0] || u.devpath[0] != '/')
		abort();
	check(u.action, message, size);
	check(u.devpath, message, size);
	check(u.subsystem, message, size);
	check(u.devname, message, size);
	check(u.interface, message, size);
	return 0;
}

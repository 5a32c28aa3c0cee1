/* SPDX-License-Identifier: Apache-2.0 */
/* What a VMM answers to CONNECT: the line is cut off within its limit, and only an OK is a yes. */
#include <stdlib.h>
#include <string.h>

#include "common/net/hybrid_vsock.h"
#include "common/net/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line l = LINE_INIT;

	for (size_t i = 0; i < size; i++) {
		struct err e = ERR_INIT;

		if (line_add(&l, (char)data[i]) != LINE_DONE)
			continue;
		if (l.len > HANDSHAKE_LINE_MAX || l.text[l.len] != '\0' ||
		    memchr(l.text, '\n', l.len))
			abort();
		if (hybrid_vsock_check_reply(l.text, &e) == 0 && memcmp(l.text, "OK", 2) != 0)
			abort();
		line_restart(&l);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of ttrpc frames: what is decoded, written again, is what was there. */
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		uint8_t head[FRAME_HEADER_LEN];
		enum frame_result r;
		struct frame f;
		size_t used;

		r = frame_decode(data, size, &f, &used);
		if (r == FRAME_SHORT) {
			if (size >= FRAME_HEADER_LEN)
				abort();
			break;
		}
		if (used < FRAME_HEADER_LEN || used > size)
			abort();
		if ((r == FRAME_TOO_LARGE) != (f.payload_len > FRAME_PAYLOAD_MAX))
			abort();
		if (r != FRAME_OK)
			break;
		frame_header(&f, head);
		if (memcmp(head, data, sizeof(head)) != 0 || used != sizeof(head) + f.payload_len)
			abort();
		data += used;
		size -= used;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as QEMU could send them: a message that parses has what its kind promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/qemu/qmp_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct qmp_message *m)
{
	switch (m->kind) {
	case QMP_GREETING:
		if (!m->data)
			abort();
		break;
	case QMP_RETURN:
		if (!m->has_id || !m->data)
			abort();
		break;
	case QMP_ERROR:
		if (!m->name || !m->text)
			abort();
		break;
	case QMP_EVENT:
		if (!m->name)
			abort();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		struct qmp_message m;
		struct err e = ERR_INIT;

		if (qmp_message_parse((const char *)data, len, &m, &e) == 0) {
			check(&m);
			qmp_message_done(&m);
		} else if (e.code == ERR_NONE) {
			abort();
		}
		data += newline ? len + 1 : len;
		size -= newline ? len + 1 : len;
	}
	return 0;
}

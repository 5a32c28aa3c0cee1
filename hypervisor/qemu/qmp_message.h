/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_QMP_MESSAGE_H
#define HUSK_QEMU_QMP_MESSAGE_H

#include <stdint.h>

#include "common/json/json.h"

/*
 * The QEMU Machine Protocol on the wire (QEMU, docs/interop/qmp-spec: "Protocol Specification"):
 * JSON objects, one a line. Bytes in, struct out; no I/O. It is what the QMP fuzzer calls.
 */

/* The longest line: query-qmp-schema answers some 200 KiB, nothing else comes near it. */
#define QMP_LINE_MAX (1u << 20) /* bytes, newline not included */

enum qmp_kind {
	QMP_GREETING, /* {"QMP":{…}} */
	QMP_RETURN,   /* {"return":…,"id":…} */
	QMP_ERROR,    /* {"error":{"class":…,"desc":…},"id":…} */
	QMP_EVENT,    /* {"event":…,"data":{…},"timestamp":…} */
};

struct qmp_message {
	enum qmp_kind kind;
	bool has_id; /* an error about a line that was not JSON has none */
	uint64_t id; /* RETURN, ERROR: of the command; ours are numbers */

	const char *name;        /* EVENT: its name; ERROR: the class */
	const char *text;        /* ERROR: the description */
	const struct json *data; /* RETURN: the value; EVENT: its data, NULL without; GREETING */

	struct json *root; /* owned; everything above borrows from it */
};

/* ERR_INVALID for what is not one of the four. Release with qmp_message_done(). */
int qmp_message_parse(const char *line, size_t len, struct qmp_message *ret, struct err *e)
	must_check;
void qmp_message_done(struct qmp_message *m);

/* A command as one line with its newline, for free(). `arguments`: a JSON object, or NULL. */
char *qmp_command_text(uint64_t id, const char *command, const char *arguments) must_check;

#endif

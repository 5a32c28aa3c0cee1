/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_QMP_H
#define HUSK_QEMU_QMP_H

#include "common/async/deadline.h"
#include "common/json/json.h"

/*
 * A connection to QEMU's monitor: commands from any fiber, answers by id, events to whoever watches
 * for them. The connection is one end of a socket pair whose other end QEMU was born with.
 *
 * A lost connection (end of file, an error, a line too long or not QMP) fails every command that
 * waits, and every later one, with ERR_UNAVAILABLE and the reason.
 */
struct qmp;

/* Owns fd whatever happens. Starts reading at once. */
struct qmp *qmp_new_consume(int fd, struct err *e) must_check;

/* Every command must have returned: qmp_shutdown() first if one may be waiting. NULL is fine. */
void qmp_free(struct qmp *q);

/* Fail what waits and what comes. */
void qmp_shutdown(struct qmp *q);

/* Wait for the greeting, then qmp_capabilities. No other command before. */
int qmp_handshake(struct qmp *q, struct deadline d, struct err *e) must_check;

/*
 * One command.
 *
 * arguments  a JSON object; NULL: none
 * fd         goes along by SCM_RIGHTS, borrowed; -1: none
 * ret        the value of "return", for json_free() through *ret_root; both may be NULL
 *
 * What QEMU refuses is ERR_INTERNAL, or ERR_NOT_FOUND for its class DeviceNotFound, with its
 * description. After a deadline or cancel the command may still take effect; its answer is dropped.
 */
int qmp_call(struct qmp *q, const char *command, const char *arguments, int fd, struct deadline d,
	     struct json **ret_root, const struct json **ret, struct err *e) must_check;

/*
 * From now on fn sees each event of that name (a literal; NULL: every event). It runs in the
 * reader's fiber and must not wait. data is borrowed, NULL if the event has none.
 */
#define QMP_WATCHERS_MAX 16
void qmp_watch(struct qmp *q, const char *event,
	       void (*fn)(const char *event, const struct json *data, void *arg), void *arg);

/*
 * Until another event has come, of whatever name; those who watch for it have seen it by then.
 * ERR_UNAVAILABLE once the connection is lost.
 */
int qmp_wait_event(struct qmp *q, struct deadline d, struct err *e) must_check;

#endif

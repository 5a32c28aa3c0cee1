/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to a host; see log_port.h. */
#include "agent/log_port.h"

#include <string.h>

#include "agent/cmdline.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/transport.h"

#define WRITE_MS        10000
#define ACCEPT_AGAIN_MS 1000

struct log_queue {
	struct buf lines;
	struct cond more; /* lines, or the host has gone */
	struct io *host;
	bool gone;
};

/* Called by whoever logs: must not wait. */
static void keep_line(const char *line, void *arg)
{
	struct log_queue *q = arg;
	size_t len = strlen(line);

	if (q->lines.len + len + 1 > LOG_PORT_BUFFER_MAX)
		return;
	buf_add(&q->lines, line, len);
	buf_add(&q->lines, "\n", 1);
	cond_wake_all(&q->more);
}

/* A host sends nothing: what can be read is its end, which the next one must not wait for a line to show. */
static void watch_host(void *arg)
{
	struct log_queue *q = arg;
	struct err e = ERR_INIT;
	char ignored[64];

	while (io_read(q->host, ignored, sizeof(ignored), DEADLINE_NEVER, &e) > 0)
		;
	q->gone = true;
	cond_wake_all(&q->more);
}

/* Until the host is gone or we are cancelled. */
static int send_lines(struct log_queue *q, struct err *e)
{
	while (!q->gone) {
		auto_buf struct buf now = BUF_INIT;

		while (q->lines.len == 0 && !q->gone)
			if (cond_wait(&q->more, DEADLINE_NEVER, e) < 0)
				return -1;
		if (q->gone)
			break;
		now = q->lines;
		q->lines = BUF_INIT;
		if (io_write(q->host, now.data, now.len, deadline_in_ms(WRITE_MS), e) < 0)
			return -1;
	}
	return 0;
}

static void serve_host(struct io *host, struct err *e)
{
	struct log_queue q = { .lines = BUF_INIT, .host = host };
	struct fiber_group watch = FIBER_GROUP_INIT;

	fiber_group_start(&watch, "log port's host", watch_host, &q);
	log_set_tap(keep_line, &q);
	(void)!send_lines(&q, e);
	log_set_tap(NULL, NULL);
	fiber_group_cancel(&watch);
	fiber_group_wait(&watch);
	buf_done(&q.lines);
}

void log_port_serve(void *options)
{
	const struct agent_options *o = options;
	auto_free char *uri = xasprintf("vsock://-1:%u", o->log_port);
	struct transport_listener *listener = NULL;
	struct transport_address at;
	struct err e = ERR_INIT;

	if (transport_parse(uri, &at, &e) == 0)
		listener = transport_listen(&at, &e);
	while (listener && e.code != ERR_CANCELLED) {
		auto_io struct io *host = NULL;

		e = ERR_INIT;
		host = transport_accept(listener, DEADLINE_NEVER, &e);
		if (!host) {
			if (e.code != ERR_CANCELLED)
				(void)!fiber_sleep_ms(ACCEPT_AGAIN_MS, &e);
			continue;
		}
		serve_host(host, &e);
	}
	if (e.code != ERR_CANCELLED)
		log_warn("log port: %s", e.text);
	transport_listener_free(listener);
}

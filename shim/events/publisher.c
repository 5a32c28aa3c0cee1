/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to containerd; see publisher.h. */
#include "shim/events/publisher.h"

#include <time.h>
#include <utlist.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/unix.h"
#include "common/rpc/client.h"
#include "event_forward.pb-c.h"
#include "proto/any.h"

#define CALL_LIMIT_MS  5000 /* per call, as the Go shims have it */
/* A call that got no answer may have been too much for containerd: not forever. */
#define TRIES_MAX      5
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   5000

struct queued_event {
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request;
	unsigned tries; /* calls that were made and not answered */
	struct queued_event *prev, *next;
};

struct publisher {
	char *address, *ns;
	struct queued_event *queue;
	size_t n_queue;
	struct rpc_client *client; /* NULL: not connected */
	bool retry_now;
	bool closing; /* beside the cancel, which may end a call that would otherwise be tried again */
	struct cond changed; /* queue, retry_now */
	struct fiber_group fibers;
};

static Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request_new(
	const char *ns, const char *topic, const ProtobufCMessage *event)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request =
		xmalloc(sizeof(*request));
	Containerd__Types__Envelope *envelope = xmalloc(sizeof(*envelope));
	Google__Protobuf__Timestamp *now = xmalloc(sizeof(*now));
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	google__protobuf__timestamp__init(now);
	now->seconds = ts.tv_sec;
	now->nanos = (int32_t)ts.tv_nsec;

	containerd__types__envelope__init(envelope);
	envelope->timestamp = now;
	envelope->namespace_ = xstrdup(ns);
	envelope->topic = xstrdup(topic);
	envelope->event = any_pack(event);

	containerd__services__events__ttrpc__v1__forward_request__init(request);
	request->envelope = envelope;
	return request;
}

static void queue_drop_first(struct publisher *p)
{
	struct queued_event *ev = p->queue;

	DL_DELETE(p->queue, ev);
	p->n_queue--;
	containerd__services__events__ttrpc__v1__forward_request__free_unpacked(ev->request, NULL);
	free(ev);
	cond_wake_all(&p->changed);
}

static void disconnect(struct publisher *p)
{
	struct rpc_client *client = take_ptr(p->client);

	rpc_client_free(client);
}

static int forward_first(struct publisher *p, struct err *e)
{
	struct deadline d = deadline_in_ms(CALL_LIMIT_MS);

	if (p->client && rpc_client_closed(p->client))
		disconnect(p);
	if (!p->client) {
		struct io *conn = unix_connect(p->address, d, e);

		if (!conn)
			return err_wrap(e, "connect to containerd");
		p->client = rpc_client_new(conn, "containerd");
	}
	/* Only this fiber takes events off the queue while one is being sent, see publisher_send(). */
	return rpc_call(p->client, &containerd__services__events__ttrpc__v1__events__descriptor,
			"Forward", p->ns, p->queue->request, NULL, d, e);
}

/* Is it containerd's absence, which passes, or the event, which will not get better? */
static bool worth_another_try(struct queued_event *ev, const struct err *e)
{
	switch (e->code) {
	case ERR_TIMEOUT:
		return ++ev->tries < TRIES_MAX;
	case ERR_UNAVAILABLE:
	case ERR_NOT_FOUND: /* of the socket */
	case ERR_CANCELLED:
	case ERR_DENIED:
	case ERR_EXHAUSTED:
		return true;
	case ERR_NONE:
	case ERR_INVALID:
	case ERR_EXISTS:
	case ERR_STATE:
	case ERR_UNSUPPORTED:
	case ERR_INTERNAL:
		break;
	}
	return false;
}

static void publish_all(void *arg)
{
	struct publisher *p = arg;
	int64_t pause_ms = PAUSE_FIRST_MS;
	bool told = false;

	while (!p->closing) {
		struct err e = ERR_INIT;
		struct deadline next;

		while (!p->queue)
			if (cond_wait(&p->changed, DEADLINE_NEVER, &e) < 0)
				return;
		if (forward_first(p, &e) == 0) {
			queue_drop_first(p);
			if (told)
				log_info("events reach containerd again");
			told = false;
			pause_ms = PAUSE_FIRST_MS;
			continue;
		}
		if (e.code == ERR_CANCELLED)
			return;
		if (!worth_another_try(p->queue, &e)) {
			log_warn("event %s is lost: %s", p->queue->request->envelope->topic,
				 e.text);
			queue_drop_first(p);
			continue;
		}
		if (!told)
			log_warn("events wait for containerd: %s", e.text);
		told = true;
		disconnect(p);

		next = deadline_in_ms(pause_ms);
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
		p->retry_now = false;
		while (!p->retry_now && !deadline_passed(next)) {
			e = ERR_INIT;
			if (cond_wait(&p->changed, next, &e) < 0 && e.code == ERR_CANCELLED)
				return;
		}
	}
}

struct publisher *publisher_new(const char *ttrpc_address, const char *ns)
{
	struct publisher *p = xnew(struct publisher);

	p->address = xstrdup(ttrpc_address);
	p->ns = xstrdup(ns);
	p->changed = COND_INIT;
	p->fibers = FIBER_GROUP_INIT;
	if (ttrpc_address[0] != '\0')
		fiber_group_start(&p->fibers, "events", publish_all, p);
	return p;
}

void publisher_send(struct publisher *p, const char *topic, const ProtobufCMessage *event)
{
	struct queued_event *ev;

	log_debug("event %s", topic);
	if (p->address[0] == '\0')
		return;
	if (p->n_queue >= PUBLISHER_QUEUE_MAX) {
		/* The first one may be on its way; the second is the oldest that nobody looks at. */
		struct queued_event *oldest = p->queue->next;

		log_warn("event %s is lost: %d wait already", oldest->request->envelope->topic,
			 PUBLISHER_QUEUE_MAX);
		DL_DELETE(p->queue, oldest);
		p->n_queue--;
		containerd__services__events__ttrpc__v1__forward_request__free_unpacked(
			oldest->request, NULL);
		free(oldest);
	}
	ev = xnew(struct queued_event);
	ev->request = request_new(p->ns, topic, event);
	DL_APPEND(p->queue, ev);
	p->n_queue++;
	cond_wake_all(&p->changed);
}

void publisher_retry_now(struct publisher *p)
{
	p->retry_now = true;
	cond_wake_all(&p->changed);
}

size_t publisher_flush(struct publisher *p, struct deadline d)
{
	struct err e = ERR_INIT;

	while (p->queue && cond_wait(&p->changed, d, &e) == 0)
		;
	return p->n_queue;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	p->closing = true;
	fiber_group_cancel(&p->fibers);
	fiber_group_wait(&p->fibers);
	disconnect(p);
	while (p->queue)
		queue_drop_first(p);
	free(p->address);
	free(p->ns);
	free(p);
}

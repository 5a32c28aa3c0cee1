/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to servers in the guest; see forward.h. */
#include "agent/rpc/forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/async/io.h"
#include "common/base/mem.h"
#include "husk.pb-c.h"

#define CONNECTIONS_MAX 256
#define RECEIVE_MAX     (256u << 10) /* bytes of one answer */
#define CONNECT_MS      10000

struct forward_connection {
	uint64_t id;
	struct io *io;
	bool receiving, sending; /* a request is at it */
	unsigned users;          /* requests that know it */
	struct cond left;        /* users changed */
	struct forward_connection *next;
};

/* ---- Connecting ---- */

static struct io *connect_to(const struct sockaddr *to, socklen_t len, struct deadline d,
			     struct err *e)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	auto_io struct io *io = NULL;
	int on = 1, problem = 0;

	if (fd < 0) {
		err_sys(e, errno, "socket");
		return NULL;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, to, len) < 0 && errno != EINPROGRESS)
		problem = errno;
	io = io_consume(fd, e);
	if (!io)
		return NULL;
	if (problem == 0 && io_wait_writable(io, d, e) < 0)
		return NULL;
	if (problem == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
	if (problem != 0) {
		err_sys(e, problem, "connect");
		return NULL;
	}
	return take_ptr(io);
}

static struct io *connect_to_localhost(uint16_t port, struct deadline d, struct err *e)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_port = htons(port),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct io *io = connect_to((const struct sockaddr *)&v4, sizeof(v4), d, e);
	struct err also = ERR_INIT;

	if (!io && e->code != ERR_CANCELLED)
		io = connect_to((const struct sockaddr *)&v6, sizeof(v6), d, &also);
	if (!io)
		err_wrap(e, "port %u of the guest's localhost", port);
	return io;
}

static int on_connect(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__ConnectRequest *want = req;
	Husk__ConnectResponse *answer = resp;
	struct forward *f = call->self;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(CONNECT_MS));
	struct forward_connection *c;
	struct err why = ERR_INIT;
	struct io *io;

	if (want->port == 0 || want->port > UINT16_MAX)
		return err_set(e, ERR_INVALID, "%u is no port", want->port);
	if (f->n == CONNECTIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d connections", CONNECTIONS_MAX);
	f->n++;
	io = connect_to_localhost((uint16_t)want->port, d, &why);
	if (!io) {
		f->n--;
		*e = why;
		return -1;
	}
	c = xnew(struct forward_connection);
	c->id = answer->id = ++f->last_id;
	c->io = io;
	c->left = COND_INIT;
	c->next = f->connections;
	f->connections = c;
	return 0;
}

/* ---- Requests about one ---- */

static struct forward_connection *enter(struct forward *f, uint64_t id, struct err *e)
{
	for (struct forward_connection *c = f->connections; c; c = c->next) {
		if (c->id != id)
			continue;
		c->users++;
		return c;
	}
	err_set(e, ERR_NOT_FOUND, "there is no connection %llu", (unsigned long long)id);
	return NULL;
}

static void leave(struct forward_connection *c)
{
	c->users--;
	cond_wake_all(&c->left);
}

static int receive(struct forward_connection *c, uint32_t max, struct deadline d,
		   ProtobufCBinaryData *ret, struct err *e)
{
	auto_free uint8_t *data = NULL;
	ssize_t n;

	if (c->receiving)
		return err_set(e, ERR_STATE, "another request is receiving");
	if (max == 0 || max > RECEIVE_MAX)
		max = RECEIVE_MAX;
	data = xmalloc(max);
	c->receiving = true;
	n = io_read(c->io, data, max, d, e);
	c->receiving = false;
	if (n < 0)
		return -1;
	ret->len = (size_t)n;
	if (n > 0)
		ret->data = take_ptr(data);
	return 0;
}

static int on_receive(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__ReceiveRequest *want = req;
	Husk__ReceiveResponse *answer = resp;
	struct forward_connection *c = enter(call->self, want->id, e);
	int r;

	if (!c)
		return -1;
	r = receive(c, want->max, call->deadline, &answer->data, e);
	leave(c);
	return r;
}

static int send_data(struct forward_connection *c, const Husk__SendRequest *what, struct deadline d,
		     struct err *e)
{
	int r;

	if (c->sending)
		return err_set(e, ERR_STATE, "another request is sending");
	c->sending = true;
	r = io_write(c->io, what->data.data, what->data.len, d, e);
	c->sending = false;
	if (r == 0 && what->end)
		(void)shutdown(io_fd(c->io), SHUT_WR);
	return r;
}

static int on_send(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__SendRequest *what = req;
	struct forward_connection *c = enter(call->self, what->id, e);
	int r;

	(void)resp;
	if (!c)
		return -1;
	r = send_data(c, what, call->deadline, e);
	leave(c);
	return r;
}

static int on_disconnect(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__DisconnectRequest *which = req;
	struct forward *f = call->self;
	struct forward_connection *c = enter(f, which->id, e);
	struct forward_connection **at = &f->connections;

	(void)resp;
	if (!c)
		return -1;
	/* Out of the list first: no request finds it from here on. */
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	io_shutdown(c->io);
	while (c->users > 1)
		(void)cond_wait_uncancellable(&c->left, DEADLINE_NEVER);
	io_free(c->io);
	free(c);
	f->n--;
	return 0;
}

static const struct rpc_method methods[] = {
	{ "Connect", on_connect, RPC_ENDS_WITH_PEER },
	{ "Disconnect", on_disconnect, 0 },
	{ "Receive", on_receive, RPC_ENDS_WITH_PEER },
	{ "Send", on_send, RPC_ENDS_WITH_PEER },
};

struct rpc_service forward_service(struct forward *f)
{
	return (struct rpc_service){
		.desc = &husk__forward__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = f,
	};
}

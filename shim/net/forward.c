/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from a pod's namespace to the guest's localhost; see forward.h. */
#include "shim/net/forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/net/netns.h"
#include "shim/net/steer.h"

#define CONNECTIONS_MAX 128
#define BACKLOG         64
#define CHUNK           (64u << 10) /* bytes of one message */
#define CONNECT_MS      10000
#define DISCONNECT_MS   5000
#define ACCEPT_RETRY_MS 100

struct forwarding {
	struct agent *agent;
	int link;               /* of the socket lookup */
	int sock[2];            /* IPv4, IPv6; until they are listeners */
	struct io *listener[2]; /* NULL: none */
	struct relay *relays;
	unsigned n;
	struct fiber_group accepting, relaying;
};

/* One connection: what the client sends goes to the guest, what the guest answers to the client. */
struct relay {
	struct forwarding *f;
	struct io *client;
	uint64_t id;
	struct fiber_group sending;
	struct relay *next;
};

/* ---- Relays ---- */

static void send_to_guest(void *arg)
{
	struct relay *r = arg;
	auto_free uint8_t *bytes = xmalloc(CHUNK);
	struct err e = ERR_INIT;
	ssize_t n;

	while ((n = io_read(r->client, bytes, CHUNK, DEADLINE_NEVER, &e)) > 0)
		if (agent_forward_send(r->f->agent, r->id, bytes, (size_t)n, false, &e) < 0)
			return;
	/* A client that is done sending may still be listening. */
	if (n == 0 && agent_forward_send(r->f->agent, r->id, NULL, 0, true, &e) < 0)
		log_debug("port-forward: %s", e.text);
}

static void send_to_client(struct relay *r)
{
	struct err e = ERR_INIT;

	for (;;) {
		auto_free uint8_t *bytes = NULL;
		size_t len;

		if (agent_forward_receive(r->f->agent, r->id, CHUNK, &bytes, &len, &e) < 0)
			return;
		if (len == 0)
			break;
		if (io_write(r->client, bytes, len, DEADLINE_NEVER, &e) < 0)
			return;
	}
	(void)shutdown(io_fd(r->client), SHUT_WR);
}

static uint16_t dialled_port(const struct io *client)
{
	struct sockaddr_in6 at = { .sin6_family = AF_UNSPEC }; /* the port is where IPv4's is */
	socklen_t len = sizeof(at);

	if (getsockname(io_fd(client), (struct sockaddr *)&at, &len) < 0)
		return 0;
	return ntohs(at.sin6_port);
}

static int carry(struct relay *r, struct err *e)
{
	struct agent *a = r->f->agent;
	struct err ignored = ERR_INIT;

	if (agent_forward_connect(a, dialled_port(r->client), deadline_in_ms(CONNECT_MS), &r->id,
				  e) < 0)
		return -1;
	fiber_group_start(&r->sending, "port-forward out", send_to_guest, r);
	send_to_client(r);
	/* The server has hung up, or somebody is gone: what the client still says nobody hears. */
	io_shutdown(r->client);
	if (agent_forward_disconnect(a, r->id, deadline_in_ms(DISCONNECT_MS), &ignored) < 0)
		log_debug("port-forward: %s", ignored.text);
	fiber_group_wait(&r->sending);
	return 0;
}

static void relay(void *arg)
{
	struct relay *r = arg, **at = &r->f->relays;
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct err e = ERR_INIT;

	if (carry(r, &e) < 0) {
		log_info("port-forward: %s", e.text);
		/* As near as can be to "connection refused": a reset instead of an end of file. */
		(void)setsockopt(io_fd(r->client), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->f->n--;
	io_free(r->client);
	free(r);
}

/* ---- Listeners ---- */

static void start_relay(struct forwarding *f, int fd)
{
	struct err e = ERR_INIT;
	struct io *client = io_consume(fd, &e);
	struct relay *r;
	int on = 1;

	if (!client || f->n == CONNECTIONS_MAX) {
		log_warn("port-forward: %s", client ? "too many connections" : e.text);
		io_free(client);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = xnew(struct relay);
	*r = (struct relay){ .f = f, .client = client, .sending = FIBER_GROUP_INIT };
	r->next = f->relays;
	f->relays = r;
	f->n++;
	fiber_group_start(&f->relaying, "port-forward", relay, r);
}

struct accepting {
	struct forwarding *f;
	struct io *listener;
};

static void accept_all(void *arg)
{
	const struct accepting a = *(struct accepting *)arg;

	free(arg);
	for (;;) {
		struct err e = ERR_INIT;
		int fd = io_accept(a.listener, DEADLINE_NEVER, &e);

		if (fd >= 0) {
			start_relay(a.f, fd);
			continue;
		}
		if (e.code == ERR_CANCELLED || e.code == ERR_UNAVAILABLE)
			return;
		log_warn("port-forward: %s", e.text);
		if (fiber_sleep_ms(ACCEPT_RETRY_MS, &e) < 0)
			return;
	}
}

static void undo_forward(void *arg)
{
	struct forwarding *f = arg;

	close_slot(&f->link);
	for (size_t i = 0; i < ARRAY_LEN(f->listener); i++)
		if (f->listener[i])
			io_shutdown(f->listener[i]);
	fiber_group_wait(&f->accepting);
	for (struct relay *r = f->relays; r; r = r->next)
		io_shutdown(r->client);
	fiber_group_cancel(&f->relaying);
	fiber_group_wait(&f->relaying);
	for (size_t i = 0; i < ARRAY_LEN(f->listener); i++) {
		io_free(f->listener[i]);
		close_slot(&f->sock[i]);
	}
	free(f);
}

static int listen_on(const struct sockaddr *at, socklen_t len, struct err *e)
{
	auto_close int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, errno, "socket");
	if (bind(fd, at, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, errno, "listen on localhost");
	return take_fd(&fd);
}

/* On whatever ports are free: nobody dials them. A namespace without IPv6 is fine. */
static int listen_in_netns(void *arg, struct err *e)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct forwarding *f = arg;
	struct err ignored = ERR_INIT;

	f->sock[0] = listen_on((const struct sockaddr *)&v4, sizeof(v4), e);
	if (f->sock[0] < 0)
		return -1;
	f->sock[1] = listen_on((const struct sockaddr *)&v6, sizeof(v6), &ignored);
	return 0;
}

int forward_start(int netns_fd, struct agent *agent, struct undo *u, struct err *e)
{
	struct forwarding *f = xnew(struct forwarding);

	*f = (struct forwarding){ .agent = agent,
				  .link = -1,
				  .sock = { -1, -1 },
				  .accepting = FIBER_GROUP_INIT,
				  .relaying = FIBER_GROUP_INIT };
	undo_push(u, "port-forward", undo_forward, f);
	if (netns_run(netns_fd, listen_in_netns, f, e) < 0)
		return -1;
	f->link = steer_localhost(netns_fd, f->sock[0], f->sock[1], e);
	if (f->link < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(f->sock); i++) {
		struct accepting *a;

		if (f->sock[i] < 0)
			continue;
		f->listener[i] = io_consume(take_fd(&f->sock[i]), e);
		if (!f->listener[i])
			return -1;
		a = xnew(struct accepting);
		*a = (struct accepting){ .f = f, .listener = f->listener[i] };
		fiber_group_start(&f->accepting, "port-forward accept", accept_all, a);
	}
	return 0;
}

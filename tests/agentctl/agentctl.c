/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talks to an agent, for tests and for people who look into a guest:
 *
 *      agentctl --list                          every method, with its messages
 *      agentctl --spec FILE                     an OCI config.json as the agent's message Spec
 *      agentctl ADDRESS METHOD [JSON]           one call; without JSON the request is read from stdin
 *      agentctl ADDRESS --batch                 many over one connection, see below
 *
 * ADDRESS is one of common/net/transport.h. METHOD is a name of grpc.AgentService, or Health/Check,
 * Health/Version. Requests and answers are JSON as in message_json.h. The answer goes to stdout; an
 * error goes to stderr as "CODE: text", and the exit status is 1.
 *
 * --batch reads lines "ID METHOD JSON" and writes, as calls end and in that order, lines
 *      {"id":"ID","result":{…}}  or  {"id":"ID","code":"NOT_FOUND","error":"…"}
 * All calls run at once. At the end of its input those that still wait are given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/net/transport.h"
#include "common/oci/to_agent.h"
#include "common/rpc/client.h"
#include "common/rpc/status.h"
#include "health.pb-c.h"
#include "tests/agentctl/message_json.h"

#define EXIT_USAGE         2
#define CONNECT_LIMIT_MS   120000 /* a guest that is emulated on a busy machine boots for long */
#define CALL_LIMIT_DEFAULT 60     /* seconds */
#define CALL_LIMIT_MAX     86400
#define LINE_LIMIT         (JSON_TEXT_MAX + 1024u) /* bytes: a request and what stands before it */
#define HEALTH_PREFIX      "Health/"

static const char usage[] = "usage: agentctl --list\n"
			    "       agentctl --spec FILE\n"
			    "       agentctl [--timeout SECONDS] ADDRESS METHOD [JSON]\n"
			    "       agentctl [--timeout SECONDS] ADDRESS --batch\n";

struct session {
	const char *address, *method, *json;
	bool batch;
	int64_t timeout_ms;
	struct rpc_client *client;
	struct fiber_group calls;
	struct err e;
	int exit_status;
};

static const char *code_name(enum err_code code)
{
	static const char *const names[] = {
		[RPC_OK] = "OK",
		[RPC_CANCELLED] = "CANCELLED",
		[RPC_UNKNOWN] = "UNKNOWN",
		[RPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
		[RPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
		[RPC_NOT_FOUND] = "NOT_FOUND",
		[RPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
		[RPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
		[RPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
		[RPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
		[RPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
		[RPC_INTERNAL] = "INTERNAL",
		[RPC_UNAVAILABLE] = "UNAVAILABLE",
	};
	enum rpc_status status = rpc_status_of(code);

	return status < ARRAY_LEN(names) && names[status] ? names[status] : "UNKNOWN";
}

/* ---- One call ---- */

static int find_method(const char *name, const ProtobufCServiceDescriptor **ret_service,
		       const ProtobufCMethodDescriptor **ret, struct err *e)
{
	bool health = strncmp(name, HEALTH_PREFIX, strlen(HEALTH_PREFIX)) == 0;

	*ret_service = health ? &grpc__health__descriptor : &grpc__agent_service__descriptor;
	*ret = protobuf_c_service_descriptor_get_method_by_name(
		*ret_service, health ? name + strlen(HEALTH_PREFIX) : name);
	if (!*ret)
		return err_set(e, ERR_INVALID, "there is no method '%s'; --list shows them", name);
	return 0;
}

static int call(struct session *s, const char *name, const char *text, size_t len, struct buf *out,
		struct err *e)
{
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;
	auto_json struct json *tree = NULL;
	ProtobufCMessage *req = NULL;
	ProtobufCMessage *resp = NULL;
	int result;

	if (find_method(name, &service, &method, e) < 0 || json_parse(text, len, &tree, e) < 0 ||
	    message_from_json(tree, method->input, &req, e) < 0)
		return err_wrap(e, "agentctl");
	result = rpc_call(s->client, service, method->name, NULL, req, &resp,
			  deadline_in_ms(s->timeout_ms), e);
	protobuf_c_message_free_unpacked(req, NULL);
	if (result < 0)
		return -1;
	message_to_json(resp, out);
	protobuf_c_message_free_unpacked(resp, NULL);
	return 0;
}

static int connect_to(struct session *s, struct err *e)
{
	struct transport_address address;
	struct io *io;

	if (transport_parse(s->address, &address, e) < 0)
		return -1;
	io = transport_connect(&address, deadline_in_ms(CONNECT_LIMIT_MS), e);
	if (!io)
		return -1;
	s->client = rpc_client_new(io, "agent");
	return 0;
}

static int call_once(struct session *s, struct err *e)
{
	auto_buf struct buf out = BUF_INIT;
	auto_free char *given = NULL;
	const char *json = s->json;

	if (!json) {
		size_t len;

		if (fd_read_all(STDIN_FILENO, JSON_TEXT_MAX, "standard input", &given, &len, e) < 0)
			return -1;
		json = given;
	}
	if (call(s, s->method, json, strlen(json), &out, e) < 0)
		return -1;
	buf_add(&out, "\n", 1);
	if (write_all(STDOUT_FILENO, out.data, out.len) < 0)
		return err_sys(e, errno, "write the answer");
	return 0;
}

/* ---- Many calls ---- */

struct batch_call {
	struct session *s;
	char *line, *id, *method, *json; /* the latter three inside line */
};

static void answer(const char *id, const struct buf *result, const struct err *e)
{
	auto_free char *line = result ? json_object("s:id", id, "o:result", result->data, NULL)
				      : json_object("s:id", id, "s:code", code_name(e->code),
						    "s:error", e->text, NULL);
	auto_free char *ended = xasprintf("%s\n", line);

	/* Nobody reads the answers any more: end like any other writer to a closed pipe. */
	if (write_all(STDOUT_FILENO, ended, strlen(ended)) < 0)
		exit(1);
}

static void run_batch_call(void *arg)
{
	struct batch_call *b = arg;
	auto_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (call(b->s, b->method, b->json, strlen(b->json), &out, &e) < 0)
		answer(b->id, NULL, &e);
	else
		answer(b->id, &out, NULL);
	free(b->line);
	free(b);
}

static char *next_word(char **at)
{
	char *word = *at;
	char *end = strchr(word, ' ');

	if (!end) {
		*at = word + strlen(word);
		return word;
	}
	*end = '\0';
	*at = end + 1;
	return word;
}

static void start_batch_call(struct session *s, const char *text, size_t len)
{
	struct batch_call *b = xnew(struct batch_call);
	char *at;

	b->s = s;
	b->line = at = xstrndup(text, len);
	b->id = next_word(&at);
	b->method = next_word(&at);
	b->json = at;
	fiber_group_start(&s->calls, "call", run_batch_call, b);
}

static int read_batch(struct session *s, struct io *in, struct err *e)
{
	auto_buf struct buf text = BUF_INIT;

	for (;;) {
		const char *end = text.len ? memchr(text.data, '\n', text.len) : NULL;
		ssize_t n;

		if (end) {
			start_batch_call(s, text.data, (size_t)(end - text.data));
			buf_drop_front(&text, (size_t)(end - text.data) + 1);
			continue;
		}
		if (text.len > LINE_LIMIT)
			return err_set(e, ERR_EXHAUSTED, "a line of more than %u bytes",
				       LINE_LIMIT);
		n = io_read(in, buf_reserve(&text, 65536), 65536, DEADLINE_NEVER, e);
		if (n <= 0)
			return (int)n;
		text.len += (size_t)n;
	}
}

static int call_batch(struct session *s, struct err *e)
{
	auto_io struct io *in = io_consume(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), e);
	int result;

	if (!in)
		return -1;
	result = read_batch(s, in, e);
	fiber_group_cancel(&s->calls);
	fiber_group_wait(&s->calls);
	return result;
}

static void run(void *arg)
{
	struct session *s = arg;

	s->exit_status = 1;
	if (connect_to(s, &s->e) == 0 &&
	    (s->batch ? call_batch(s, &s->e) : call_once(s, &s->e)) == 0)
		s->exit_status = 0;
	rpc_client_free(s->client);
}

/* ---- Without an agent ---- */

static void list(const ProtobufCServiceDescriptor *service, const char *prefix)
{
	for (unsigned i = 0; i < service->n_methods; i++)
		printf("%s%s(%s) returns (%s)\n", prefix, service->methods[i].name,
		       service->methods[i].input->name, service->methods[i].output->name);
}

static int show_spec(const char *path)
{
	auto_buf struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	struct oci_spec *spec;
	Grpc__Spec *message;

	if (oci_spec_load(AT_FDCWD, path, &spec, &e) < 0) {
		fprintf(stderr, "%s: %s\n", code_name(e.code), e.text);
		return 1;
	}
	message = oci_spec_to_agent(spec);
	oci_spec_free(spec);
	message_to_json(&message->base, &out);
	grpc__spec__free_unpacked(message, NULL);
	puts(out.data);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "batch", no_argument, NULL, 'b' },
						 { "help", no_argument, NULL, 'h' },
						 { "list", no_argument, NULL, 'l' },
						 { "spec", required_argument, NULL, 's' },
						 { "timeout", required_argument, NULL, 't' },
						 { NULL, 0, NULL, 0 } };
	struct session s = { .timeout_ms = CALL_LIMIT_DEFAULT * 1000LL };
	uint64_t seconds;
	int opt;

	while ((opt = getopt_long(argc, argv, "bhls:t:", options, NULL)) != -1) {
		switch (opt) {
		case 'b':
			s.batch = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'l':
			list(&grpc__agent_service__descriptor, "");
			list(&grpc__health__descriptor, HEALTH_PREFIX);
			return 0;
		case 's':
			return show_spec(optarg);
		case 't':
			if (!num_u64(optarg, 10, &seconds) || seconds == 0 ||
			    seconds > CALL_LIMIT_MAX) {
				fprintf(stderr, "agentctl: '%s' is not a number of seconds\n",
					optarg);
				return EXIT_USAGE;
			}
			s.timeout_ms = (int64_t)seconds * 1000;
			break;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind < (s.batch ? 1 : 2) || argc - optind > (s.batch ? 1 : 3)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	s.address = argv[optind];
	s.method = s.batch ? NULL : argv[optind + 1];
	s.json = argc - optind == 3 ? argv[optind + 2] : NULL;
	fiber_main(run, &s);
	if (s.exit_status != 0)
		fprintf(stderr, "%s: %s\n", code_name(s.e.code), s.e.text);
	return s.exit_status;
}

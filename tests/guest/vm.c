/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine without containerd: husk-vm --config FILE --run-dir DIR [--share DIR]
 *
 * Boots what the configuration says, exports DIR to the guest by virtio-fs, and prints one line of JSON
 * once the agent's transport is there: {"address":…,"pid":…}. Then it answers the lines of its standard
 * input, see vm_devices.h, and ends the machine at the end of it; a machine that ends before that is an
 * error.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "config/config.h"
#include "hypervisor/hypervisor.h"
#include "tests/guest/vm_devices.h"

#define EXIT_USAGE     2
#define START_LIMIT_MS 120000
#define MACHINE_ID     "husk-guest-test"

struct machine {
	const char *config_path, *run_dir, *share;
	struct config *config;
	struct hv *hv;
	struct fiber_group watching;
	struct err e;
	bool dead, failed;
};

static char *address_text(const struct transport_address *a)
{
	switch (a->kind) {
	case TRANSPORT_VSOCK:
		return xasprintf("vsock://%u:%u", a->cid, a->port);
	case TRANSPORT_HVSOCK:
		return xasprintf("hvsock://%s:%u", a->path, a->port);
	case TRANSPORT_SERIAL:
		return xasprintf("serial://%s", a->path);
	case TRANSPORT_UNIX:
	case TRANSPORT_SERIAL_STREAM:
		break;
	}
	return xasprintf("unix://%s", a->path);
}

static void watch(void *arg)
{
	struct machine *m = arg;
	struct err why = ERR_INIT, e = ERR_INIT;

	if (hv_wait_dead(m->hv, DEADLINE_NEVER, &why, &e) < 0)
		return; /* cancelled: we end it */
	fprintf(stderr, "husk-vm: %s; %s\n", why.text, hv_last_words(m->hv));
	_exit(1);
}

static int announce(const struct machine *m, struct err *e)
{
	auto_free char *address = address_text(hv_agent_address(m->hv));
	auto_free char *line =
		json_object("s:address", address, "i:pid", (long long)hv_pid(m->hv), NULL);

	if (puts(line) < 0 || fflush(stdout) != 0)
		return err_sys(e, errno, "write to standard output");
	return 0;
}

static int answer_lines(const struct machine *m, struct buf *in, struct err *e)
{
	char *newline;

	while (in->data && (newline = memchr(in->data, '\n', in->len))) {
		size_t len = (size_t)(newline - in->data);
		auto_free char *answer = vm_devices_answer(m->hv, in->data, len);

		buf_drop_front(in, len + 1);
		if (puts(answer) < 0 || fflush(stdout) != 0)
			return err_sys(e, errno, "write to standard output");
	}
	return 0;
}

static int serve(const struct machine *m, struct err *e)
{
	auto_io struct io *io = io_consume(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), e);
	auto_buf struct buf in = BUF_INIT;
	ssize_t n = 1;

	if (!io)
		return -1;
	while (n > 0) {
		n = io_read(io, buf_reserve(&in, 65536), 65536, DEADLINE_NEVER, e);
		in.len += n > 0 ? (size_t)n : 0;
		if (n > 0 && answer_lines(m, &in, e) < 0)
			return -1;
	}
	return (int)n;
}

static void run(void *arg)
{
	struct machine *m = arg;
	struct hv_spec spec = {
		.id = MACHINE_ID,
		.config = m->config,
		.run_dir = m->run_dir,
		.share_dir = m->share,
		.netns_fd = -1,
		.agent_listens = true,
	};

	m->failed = true;
	if (hv_start(&spec, deadline_in_ms(START_LIMIT_MS), &m->hv, &m->e) < 0)
		return;
	fiber_group_start(&m->watching, "machine", watch, m);
	m->failed = announce(m, &m->e) < 0 || serve(m, &m->e) < 0;
	fiber_group_cancel(&m->watching);
	fiber_group_wait(&m->watching);
	hv_stop(m->hv);
	hv_free(m->hv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
						 { "run-dir", required_argument, NULL, 'r' },
						 { "share", required_argument, NULL, 's' },
						 { NULL, 0, NULL, 0 } };
	struct machine m = { .config = NULL };
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			m.config_path = optarg;
		else if (opt == 'r')
			m.run_dir = optarg;
		else if (opt == 's')
			m.share = optarg;
		else
			return EXIT_USAGE;
	}
	if (!m.config_path || !m.run_dir || optind < argc) {
		fputs("usage: husk-vm --config FILE --run-dir DIR [--share DIR]\n", stderr);
		return EXIT_USAGE;
	}
	if (config_load(m.config_path, &m.config, &m.e) == 0) {
		log_init(STDERR_FILENO, LOG_FORMAT_TEXT,
			 m.config->hypervisor.enable_debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
		fiber_main(run, &m);
		config_free(m.config);
	} else {
		m.failed = true;
	}
	if (m.failed)
		fprintf(stderr, "husk-vm: %s\n", m.e.text);
	return m.failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU.
 *
 * All it talks to it is born with: the monitor, the console, the agent's channel and virtiofsd are
 * descriptors it is handed, so that it needs no directory of ours, no name has to appear anywhere,
 * and it can run as a user who may do nothing. It is started stopped (-S); `cont` comes last, when
 * there is nothing left that could fail.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/transport.h"
#include "common/net/unix.h"
#include "hypervisor/host.h"
#include "hypervisor/passt.h"
#include "hypervisor/qemu/args.h"
#include "hypervisor/qemu/device.h"
#include "hypervisor/qemu/disk.h"
#include "hypervisor/qemu/grow.h"
#include "hypervisor/qemu/nic.h"
#include "hypervisor/qemu/tsc.h"
#include "hypervisor/qemu/vsock.h"
#include "hypervisor/virtiofsd.h"

static void close_fds(struct qemu *q)
{
	for (size_t i = 0; i < q->n_fds; i++)
		(void)close(q->fds[i].from);
	q->n_fds = 0;
}

static void qemu_free(void *arg)
{
	struct qemu *q = arg;

	close_fds(q);
	q->hv->driver = NULL;
	free(q);
}

/* QEMU gets this one; it is ours no longer. */
static void hand_over(struct qemu *q, int fd, enum qemu_fd number)
{
	q->fds[q->n_fds++] = (struct child_fd){ .from = fd, .to = number };
}

static int make_pair(struct qemu *q, enum qemu_fd number, int *ret_ours, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socket pair for QEMU");
	hand_over(q, pair[1], number);
	*ret_ours = pair[0];
	return 0;
}

/* ---- Console ---- */

static void log_console(const char *line, void *arg)
{
	(void)arg;
	log_debug("guest console: %s", line);
}

static void read_console(void *arg)
{
	struct qemu *q = arg;
	struct err e = ERR_INIT;
	char bytes[4096];
	ssize_t n;

	while ((n = io_read(q->console, bytes, sizeof(bytes), DEADLINE_NEVER, &e)) > 0)
		console_feed(&q->hv->console, bytes, (size_t)n);
}

static void stop_console(void *arg)
{
	struct qemu *q = arg;

	io_shutdown(q->console);
	fiber_group_wait(&q->readers);
	io_free(q->console);
	q->console = NULL;
}

static int start_console(struct qemu *q, struct undo *u, struct err *e)
{
	int ours;

	if (make_pair(q, QEMU_FD_CONSOLE, &ours, e) < 0)
		return -1;
	q->console = io_consume(ours, e);
	if (!q->console)
		return -1;
	if (q->hv->spec.config->hypervisor.enable_debug)
		q->hv->console.on_line = log_console;
	fiber_group_start(&q->readers, "guest console", read_console, q);
	undo_push(u, "guest console", stop_console, q);
	return 0;
}

/* ---- Monitor ---- */

static void stop_qmp(void *arg)
{
	struct qemu *q = arg;

	qmp_shutdown(q->qmp);
	hv_wait_device_calls(q->hv);
	qmp_free(q->qmp);
	q->qmp = NULL;
}

static void on_shutdown(const char *event, const struct json *data, void *arg)
{
	const char *reason = json_string(json_get(data, "reason"));
	bool guest = true;

	(void)event;
	(void)json_bool(json_get(data, "guest"), &guest);
	hv_note_death(arg, ERR_UNAVAILABLE, "%s (%s)",
		      guest ? "the guest ended the machine" : "QEMU was told to end the machine",
		      reason ? reason : "no reason given");
}

static int start_qmp(struct qemu *q, struct undo *u, struct err *e)
{
	int ours;

	if (make_pair(q, QEMU_FD_QMP, &ours, e) < 0)
		return -1;
	q->qmp = qmp_new_consume(ours, e);
	if (!q->qmp)
		return -1;
	undo_push(u, "qmp connection", stop_qmp, q);
	qmp_watch(q->qmp, "SHUTDOWN", on_shutdown, q->hv);
	qemu_watch_devices(q);
	qemu_watch_arrivals(q);
	return 0;
}

/* ---- Choices ---- */

/*
 * qboot, where it was installed with this QEMU: it does only what starting a kernel takes and is
 * some 80 ms quicker than SeaBIOS when the guest's CPU is emulated. "" if it is not there. For free().
 */
static char *find_firmware(const struct config *c)
{
	const char *path = c->hypervisor.path;
	const char *bin = strstr(path, "/bin/");
	auto_free char *qboot = NULL;

	if (!bin || strncmp(c->hypervisor.machine_type, "q35", strlen("q35")) != 0)
		return xstrdup("");
	qboot = xasprintf("%.*s/share/qemu/qboot.rom", (int)(bin - path), path);
	return access(qboot, R_OK) == 0 ? take_ptr(qboot) : xstrdup("");
}

static int check_file(const char *what, const char *path, int mode, struct err *e)
{
	if (access(path, mode) < 0)
		return err_sys(e, errno, "%s '%s'", what, path);
	return 0;
}

/* hostfwd= reads its addresses by inet_aton(3). */
static int check_own_ports(const struct hv_nic *nic, struct err *e)
{
	for (size_t i = 0; i < nic->n_ports; i++)
		if (strchr(nic->ports[i].address, ':'))
			return err_set(e, ERR_UNSUPPORTED,
				       "published_ports: \"[%s]:%u:%u\": QEMU's own network has "
				       "ports of IPv4 alone, for IPv6 passt is needed",
				       nic->ports[i].address, nic->ports[i].host,
				       nic->ports[i].guest);
	return 0;
}

static int choose_user_net(const struct config_hypervisor *c, const struct hv_nic *nic,
			   struct qemu_choices *ch, struct err *e)
{
	ch->passt = *c->passt != '\0' && access(c->passt, X_OK) == 0;
	if (ch->passt)
		log_info("user-mode network by '%s'", c->passt);
	else
		log_warn(
			"user-mode network by QEMU itself, which is in the host's network namespace "
			"for that: there is no passt%s%s",
			*c->passt != '\0' ? " at " : "", c->passt);
	return ch->passt ? passt_check_ports(nic, e) : check_own_ports(nic, e);
}

static int choose(const struct hv *hv, struct qemu_choices *ch, struct host_facts *facts,
		  struct err *e)
{
	const struct config_hypervisor *c = &hv->spec.config->hypervisor;
	struct host_reason why_accel, why_transport;

	host_probe("", c->vsock_daemon, facts);
	if (host_choose_accel(facts, c->accel, &ch->accel, &why_accel, e) < 0 ||
	    host_choose_transport(facts, c->transport, &ch->transport, &why_transport, e) < 0)
		return -1;
	log_at(why_accel.warning ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "accelerator %s: %s",
	       host_accel_name(ch->accel), why_accel.text);
	log_at(why_transport.warning ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "transport %s: %s",
	       host_transport_name(ch->transport), why_transport.text);

	ch->size = hv->spec.size;
	ch->share = hv->spec.share_dir && strcmp(c->shared_fs, "virtio-fs") == 0;
	ch->debug_console = hv->spec.config->agent.debug_console_enabled;
	return hv_user_nic(hv) ? choose_user_net(c, hv_user_nic(hv), ch, e) : 0;
}

/* ---- The agent's channel ---- */

/*
 * What a process says comes in answers of up to 1 MiB, two of them under way. QEMU sends each page of
 * them as a message of its own, which counts as 4.8 KiB (Linux 6.18), so that the 208 KiB of a socket hold 176
 * and QEMU's main loop, which has its big lock meanwhile, waits for the shim again and again. setsockopt(2)
 * doubles the number: 1.7 MiB of pages. Who may not go beyond net.core.wmem_max, 208 KiB by default, gets
 * twice that.
 */
#define AGENT_SEND_BUFFER (1 << 20)

static void enlarge_send_buffer(int fd)
{
	static const int bytes = AGENT_SEND_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void close_agent_stream(void *arg)
{
	struct hv *hv = arg;

	(void)close(hv->agent.fd);
	hv->agent.fd = -1;
}

static int make_agent_stream(struct qemu *q, struct undo *u, struct err *e)
{
	struct hv *hv = q->hv;

	if (make_pair(q, QEMU_FD_AGENT, &hv->agent.fd, e) < 0)
		return -1;
	hv->agent.kind = TRANSPORT_SERIAL_STREAM;
	undo_push(u, "agent stream", close_agent_stream, hv);
	enlarge_send_buffer(q->fds[q->n_fds - 1].from);
	return 0;
}

static void remove_agent_socket(void *arg)
{
	const struct hv *hv = arg;

	(void)unlink(hv->agent.path);
}

static int listen_for_agent(struct qemu *q, struct undo *u, struct err *e)
{
	struct hv *hv = q->hv;
	auto_free char *path = hv_run_path(hv, "agent.sock");
	int fd = unix_listen(path, e);

	if (fd < 0)
		return -1;
	hand_over(q, fd, QEMU_FD_AGENT);
	(void)snprintf(hv->agent.path, sizeof(hv->agent.path), "%s", path);
	hv->agent.kind = TRANSPORT_SERIAL;
	undo_push(u, "agent socket", remove_agent_socket, hv);
	return 0;
}

static int start_agent_channel(struct qemu *q, struct qemu_choices *ch, const char *vsock_daemon,
			       struct undo *u, struct deadline d, struct err *e)
{
	int fd;

	switch (ch->transport) {
	case CONFIG_TRANSPORT_VSOCK:
		fd = vsock_open_vhost(&ch->guest_cid, e);
		if (fd < 0)
			return -1;
		hand_over(q, fd, QEMU_FD_AGENT);
		q->hv->agent = (struct transport_address){ .kind = TRANSPORT_VSOCK,
							   .cid = ch->guest_cid,
							   .port = AGENT_PORT };
		return 0;
	case CONFIG_TRANSPORT_HVSOCK:
		if (vsock_daemon_start(q->hv, vsock_daemon, u, d, &fd, e) < 0)
			return -1;
		hand_over(q, fd, QEMU_FD_AGENT);
		return 0;
	case CONFIG_TRANSPORT_SERIAL:
	case CONFIG_TRANSPORT_AUTO:
		return ch->agent_listens ? listen_for_agent(q, u, e) : make_agent_stream(q, u, e);
	}
	return 0;
}

static void remove_debug_socket(void *arg)
{
	auto_free char *path = hv_run_path(arg, "console.sock");

	(void)unlink(path);
}

static int start_debug_console(struct qemu *q, struct undo *u, struct err *e)
{
	auto_free char *path = hv_run_path(q->hv, "console.sock");
	int fd = unix_listen(path, e);

	if (fd < 0)
		return err_wrap(e, "debug console");
	hand_over(q, fd, QEMU_FD_DEBUG);
	undo_push(u, "debug console socket", remove_debug_socket, q->hv);
	return 0;
}

static int make_share_sockets(struct qemu *q, int *ret_listener, struct err *e)
{
	int connection;

	if (virtiofsd_sockets(q->hv, ret_listener, &connection, e) < 0)
		return -1;
	hand_over(q, connection, QEMU_FD_FS);
	return 0;
}

/* ---- Network ---- */

/* Ours are borrowed; the next number is *number. */
static int hand_over_copies(struct qemu *q, const int *fds, uint32_t n, int *number, struct err *e)
{
	for (uint32_t i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return err_sys(e, errno, "descriptor of a network interface");
		hand_over(q, fd, (enum qemu_fd)(*number)++);
	}
	return 0;
}

static int hand_over_nic(struct qemu *q, const struct hv_nic *nic, int passt, int *number,
			 struct err *e)
{
	switch (nic->kind) {
	case HV_NIC_TAP:
		if (hand_over_copies(q, nic->tap_fds, nic->n_queues, number, e) < 0)
			return -1;
		return nic->vhost_fds
			       ? hand_over_copies(q, nic->vhost_fds, nic->n_queues, number, e)
			       : 0;
	case HV_NIC_VHOST_USER:
		return hand_over_copies(q, &nic->socket_fd, 1, number, e);
	case HV_NIC_USER:
		break;
	}
	return passt < 0 ? 0 : hand_over_copies(q, &passt, 1, number, e);
}

static int hand_over_nics(struct qemu *q, int passt, struct err *e)
{
	const struct hv_spec *s = &q->hv->spec;
	int number = QEMU_FD_NICS;

	for (size_t i = 0; i < s->n_nics; i++) {
		if (hand_over_nic(q, &s->nics[i], passt, &number, e) < 0)
			return -1;
		(void)snprintf(q->hv->nic_address[i], sizeof(q->hv->nic_address[i]), "%02zx",
			       QEMU_NIC_SLOT + i);
	}
	return 0;
}

static int make_passt_sockets(int *ret_qemu, int *ret_passt, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socket pair for passt");
	*ret_qemu = pair[0];
	*ret_passt = pair[1];
	return 0;
}

/* ---- Steps ---- */

static int spawn(struct qemu *q, const struct qemu_choices *ch, struct undo *u, struct err *e)
{
	struct hv *hv = q->hv;
	struct confine_spec confine = {
		.role = CONFINE_VMM,
		.user = hv->spec.config->hypervisor.user,
		.netns_fd = hv->spec.netns_fd,
		.cgroups = hv->spec.cgroup,
	};
	auto_confine struct confine *confined = NULL;
	auto_strv char **args = qemu_args(ch, hv->spec.config);
	struct hv_process_spec spec = {
		.name = "qemu",
		.argv = (const char *const *)args,
		.fds = q->fds,
		.n_fds = q->n_fds,
	};
	struct hv_process *p;

	/* A network stack in QEMU opens connections where QEMU is. */
	if (hv_user_nic(hv) && !ch->passt)
		confine.netns_fd = CONFINE_STAY;
	if (confine_new(&confine, &confined, e) < 0)
		return -1;
	spec.confine = confined;
	p = hv_process_start(hv, &spec, u, e);
	if (!p)
		return -1;
	hv->vmm_pid = hv_process_pid(p);
	return 0;
}

static int prepare(struct qemu *q, struct qemu_choices *ch, const char *vsock_daemon,
		   struct undo *u, struct deadline d, struct err *e)
{
	struct tsc_reading first;
	auto_close int share = -1;
	auto_close int passt = -1;
	auto_close int qemu_to_passt = -1;

	if (check_file("hypervisor", q->hv->spec.config->hypervisor.path, X_OK, e) < 0 ||
	    check_file("guest kernel", ch->kernel, R_OK, e) < 0 ||
	    check_file("guest initrd", ch->initrd, R_OK, e) < 0)
		return -1;
	tsc_read(&first);
	if (start_console(q, u, e) < 0 || start_qmp(q, u, e) < 0)
		return -1;
	if (ch->share && make_share_sockets(q, &share, e) < 0)
		return -1;
	if (start_agent_channel(q, ch, vsock_daemon, u, d, e) < 0)
		return -1;
	if (ch->debug_console && start_debug_console(q, u, e) < 0)
		return -1;
	if (ch->passt && make_passt_sockets(&qemu_to_passt, &passt, e) < 0)
		return -1;
	if (hand_over_nics(q, qemu_to_passt, e) < 0)
		return -1;
	if (ch->accel == CONFIG_ACCEL_TCG && tsc_khz_since(&first, &ch->tsc_khz, e) < 0)
		return -1;
	if (spawn(q, ch, u, e) < 0)
		return -1;
	if (ch->passt && passt_start(q->hv, hv_user_nic(q->hv), passt, u, e) < 0)
		return -1;
	/* After QEMU, which takes longer to get to its share than virtiofsd to be there. */
	return ch->share ? virtiofsd_start(q->hv, share, u, d, e) : 0;
}

static int qemu_launch(struct hv *hv, struct undo *u, struct deadline d, struct err *e)
{
	const struct config *c = hv->spec.config;
	auto_free char *kernel = config_guest_kernel(c);
	auto_free char *initrd = config_guest_initrd(c);
	auto_free char *firmware = find_firmware(c);
	auto_host_facts struct host_facts facts = { 0 };
	struct qemu_choices ch = {
		.sandbox_id = hv->spec.id,
		.kernel = kernel,
		.initrd = initrd,
		.firmware = firmware,
		.nics = hv->spec.nics,
		.n_nics = hv->spec.n_nics,
		.agent_listens = hv->spec.agent_listens,
	};
	struct qemu *q;
	int r;

	if (choose(hv, &ch, &facts, e) < 0)
		return -1;
	q = xnew(struct qemu);
	q->hv = hv;
	slots_init(&q->slots, qemu_has_channels(c) ? SLOT_CHANNEL : SLOT_PORT);
	slots_init(&q->units, SLOT_UNIT);
	q->memory_shared = qemu_memory_shared(&ch);
	hv->driver = q;
	undo_push(u, "qemu driver", qemu_free, q);
	r = prepare(q, &ch, facts.vsock_daemon, u, d, e);
	close_fds(q);
	return r;
}

static int qemu_connect(struct hv *hv, struct undo *u, struct deadline d, struct err *e)
{
	struct qemu *q = hv->driver;

	(void)u;
	return qmp_handshake(q->qmp, d, e);
}

static int qemu_boot(struct hv *hv, struct undo *u, struct deadline d, struct err *e)
{
	struct qemu *q = hv->driver;

	(void)u;
	return qmp_call(q->qmp, "cont", NULL, -1, d, NULL, NULL, e);
}

static void qemu_wait_agent_channel(struct hv *hv, struct deadline d)
{
	const struct qemu *q = hv->driver;

	if (hv->agent.kind == TRANSPORT_HVSOCK)
		vsock_wait_driver(q->qmp, d);
}

const struct hv_ops hv_qemu_ops = {
	.name = "qemu",
	.caps = HV_CAP_FS_SHARE | HV_CAP_DISK_HOTPLUG | HV_CAP_DISK_CONCAT | HV_CAP_NET_HOTPLUG,
	.launch = qemu_launch,
	.connect = qemu_connect,
	.boot = qemu_boot,
	.wait_agent_channel = qemu_wait_agent_channel,
	.plug_disk = qemu_plug_disk,
	.plug_nic = qemu_plug_nic,
	.grow_disk = qemu_grow_disk,
	.add_vcpus = qemu_add_vcpus,
	.add_memory = qemu_add_memory,
	.unplug = { [HV_DEVICE_DISK] = qemu_unplug, [HV_DEVICE_NIC] = qemu_unplug },
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock devices for QEMU; see vsock.h.
 *
 * vhost-device-vsock makes its sockets by name, in a directory of its own that belongs to the user
 * it runs as. It is started inside of it and told relative names, because that user cannot walk
 * down to it.
 */
#include "hypervisor/qemu/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/json/json.h"
#include "common/net/transport.h"
#include "common/net/unix.h"
#include "hypervisor/driver.h"
#include "hypervisor/qemu/qmp.h"

#define CID_TRIES      128
#define DAEMON_CID     3  /* of a device that only its own daemon talks to: any will do */
#define POLL_MS        2  /* between two looks for the daemon's socket; it takes some 5 ms */
#define DRIVER_POLL_MS 20 /* between two looks for the guest's driver */
#define RINGS_MS       50 /* for what QEMU has sent to the daemon when it says that the driver is ready */
#define VHOST_SOCKET   "vhost.sock"
#define STREAM_SOCKET  "stream.sock"

/*
 * What the guest may send on a connection before the daemon has passed it on; its default is 64 KiB, one
 * packet. A larger one gains nothing and may hang: the daemon grants new credit when three quarters are
 * used, and a guest uses no more than its own socket's buffer, 256 KiB unless it says otherwise (Linux since
 * "cap TX credit to local buffer size", and its stable versions: with 1 MiB a stream ends at 262144 bytes).
 */
#define WINDOW "262144"

int vsock_pick_cid(int (*set_cid)(void *arg, uint32_t cid), void *arg, uint32_t *ret, struct err *e)
{
	for (int i = 0; i < CID_TRIES; i++) {
		uint32_t cid;

		if (getrandom(&cid, sizeof(cid), 0) != (ssize_t)sizeof(cid))
			return err_sys(e, errno, "random numbers for a vsock context id");
		cid = VSOCK_CID_MIN + cid % (VSOCK_CID_MAX - VSOCK_CID_MIN);
		if (set_cid(arg, cid) == 0) {
			*ret = cid;
			return 0;
		}
		if (errno != EADDRINUSE)
			return err_sys(e, errno, "set vsock context id %u", cid);
	}
	return err_set(e, ERR_EXHAUSTED, "no free vsock context id in %d tries", CID_TRIES);
}

static int set_guest_cid(void *arg, uint32_t cid)
{
	const int *fd = arg;
	uint64_t wide = cid;

	return ioctl(*fd, VHOST_VSOCK_SET_GUEST_CID, &wide);
}

int vsock_open_vhost(uint32_t *ret_cid, struct err *e)
{
	auto_close int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '/dev/vhost-vsock'");
	if (vsock_pick_cid(set_guest_cid, &fd, ret_cid, e) < 0)
		return -1;
	return take_fd(&fd);
}

static void remove_directory(void *arg)
{
	struct hv *hv = arg;
	auto_close int dir = open(hv->spec.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (dir >= 0 && path_remove_tree(dir, "vsock", &e) < 0)
		log_warn("remove the vsock directory: %s", e.text);
}

static int make_directory(const char *dir, const struct confine *c, struct err *e)
{
	if (mkdir(dir, 0700) < 0)
		return err_sys(e, errno, "make '%s'", dir);
	if (chown(dir, confine_uid(c), confine_gid(c)) < 0)
		return err_sys(e, errno, "give '%s' to the daemon's user", dir);
	return 0;
}

/* Until it listens, has died, or the deadline comes. */
static int connect_when_there(struct hv *hv, const struct hv_process *p, const char *path,
			      struct deadline d, struct err *e)
{
	for (;;) {
		struct err why = ERR_INIT;
		int fd = unix_connect_fd(path, &why);

		if (fd >= 0)
			return fd;
		if (why.code != ERR_NOT_FOUND && why.code != ERR_UNAVAILABLE) {
			*e = why;
			return -1;
		}
		if (hv->dead || hv_process_exited(p))
			return err_set(e, ERR_UNAVAILABLE, "it ended before it listened");
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "it does not listen on '%s'", path);
		if (fiber_sleep_ms(POLL_MS, e) < 0)
			return -1;
	}
}

static int start(struct hv *hv, const char *path, const char *dir, struct confine *confined,
		 struct undo *u, struct deadline d, struct err *e)
{
	auto_free char *cid = xasprintf("--guest-cid=%d", DAEMON_CID);
	auto_free char *socket_path = xasprintf("%s/%s", dir, VHOST_SOCKET);
	const char *const argv[] = { path,
				     cid,
				     "--socket=" VHOST_SOCKET,
				     "--uds-path=" STREAM_SOCKET,
				     "--tx-buffer-size=" WINDOW,
				     NULL };
	const struct hv_process_spec spec = {
		.name = "vhost-device-vsock",
		.argv = argv,
		.cwd = dir,
		.confine = confined,
	};
	struct hv_process *p = hv_process_start(hv, &spec, u, e);
	int fd;

	if (!p)
		return -1;
	fd = connect_when_there(hv, p, socket_path, d, e);
	return fd < 0 ? err_wrap(e, "vhost-device-vsock") : fd;
}

int vsock_daemon_start(struct hv *hv, const char *path, struct undo *u, struct deadline d,
		       int *ret_fd, struct err *e)
{
	auto_free char *dir = hv_run_path(hv, "vsock");
	auto_confine struct confine *confined = NULL;
	const struct confine_spec spec = {
		.role = CONFINE_DAEMON,
		.user = hv->spec.config->hypervisor.user,
		.netns_fd = -1,
		.cgroups = hv->spec.cgroup,
	};
	int n, fd;

	n = snprintf(hv->agent.path, sizeof(hv->agent.path), "%s/" STREAM_SOCKET, dir);
	if (n >= (int)sizeof(hv->agent.path))
		return err_set(e, ERR_INVALID, "socket path '%s/" STREAM_SOCKET "' is too long",
			       dir);
	if (confine_new(&spec, &confined, e) < 0)
		return -1;
	undo_push(u, "vsock directory", remove_directory, hv);
	if (make_directory(dir, confined, e) < 0)
		return -1;
	fd = start(hv, path, dir, confined, u, d, e);
	if (fd < 0)
		return -1;
	hv->agent.kind = TRANSPORT_HVSOCK;
	hv->agent.port = AGENT_PORT;
	*ret_fd = fd;
	return 0;
}

/* The device status field has DRIVER_OK (virtio 1.2, 2.1), which x-query-virtio-status writes out. */
static bool driver_is_ready(const struct json *answer)
{
	const struct json *all = json_get(json_get(answer, "status"), "statuses");

	for (size_t i = 0; i < json_len(all); i++) {
		const char *status = json_string(json_at(all, i));

		if (status && strstr(status, "DRIVER_OK"))
			return true;
	}
	return false;
}

void vsock_wait_driver(struct qmp *q, struct deadline d)
{
	static const char arguments[] = "{\"path\":\"/machine/peripheral/vsock/virtio-backend\"}";
	struct err e = ERR_INIT;

	for (;;) {
		auto_json struct json *root = NULL;
		const struct json *answer = NULL;

		if (qmp_call(q, "x-query-virtio-status", arguments, -1, d, &root, &answer, &e) <
		    0) {
			log_debug("the guest's vsock driver is not waited for: %s", e.text);
			return;
		}
		if (driver_is_ready(answer)) {
			(void)!fiber_sleep_ms(RINGS_MS, &e);
			return;
		}
		if (fiber_sleep_ms(DRIVER_POLL_MS, &e) < 0 || deadline_passed(d))
			return;
	}
}

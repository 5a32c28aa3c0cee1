/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtiofsd; see virtiofsd.h.
 *
 * Its listening socket and a connection waiting in it exist before it does, so nobody waits for a
 * path to appear; the path is removed at once. It moves itself into namespaces in which the share is
 * all there is, needs root for that, and keeps of root what acting on other people's files takes
 * (confine.c has the list).
 */
#include "hypervisor/virtiofsd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/async/io.h"
#include "common/base/mem.h"
#include "common/net/unix.h"
#include "hypervisor/driver.h"

#define SOCKET_FD        3    /* in the daemon */
#define VERSION_TEXT_MAX 4096 /* bytes */

int virtiofsd_kind_of(const char *version, enum virtiofsd_kind *ret, struct err *e)
{
	static const char name[] = "virtiofsd ", c_word[] = "version ";

	if (strncmp(version, name, strlen(name)) != 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "it answers --version with '%.*s', which is neither virtiofsd",
			       (int)strcspn(version, "\n"), version);
	version += strlen(name);
	if (strncmp(version, c_word, strlen(c_word)) == 0)
		*ret = VIRTIOFSD_C;
	else
		*ret = VIRTIOFSD_RUST;
	return 0;
}

/* The C one's word for no caching is none, and it has no metadata mode; the next safer is none. */
static const char *c_cache_mode(const char *mode)
{
	return strcmp(mode, "auto") == 0 || strcmp(mode, "always") == 0 ? mode : "none";
}

static void add_option(char ***args, const char *option, char *value_owned)
{
	strv_add(args, option);
	strv_add(args, value_owned);
	free(value_owned);
}

static void add_formatted(char ***args, char *arg_owned)
{
	strv_add(args, arg_owned);
	free(arg_owned);
}

/*
 * Submounts are announced in any case: the share is full of them, and without it files of different
 * file systems show up in the guest with the same device and inode number. The Rust one does not
 * take the option twice, the C one not at all in this form.
 */
static void add_extra(char ***args, const struct config_hypervisor *c)
{
	for (char **a = c->virtio_fs_extra_args; a && *a; a++)
		if (strcmp(*a, "--announce-submounts") != 0)
			strv_add(args, *a);
}

static char **c_args(const char *path, const char *share_dir, int fd,
		     const struct config_hypervisor *c)
{
	char **args = NULL;

	strv_add(&args, path);
	add_formatted(&args, xasprintf("--fd=%d", fd));
	strv_add(&args, "-f");
	add_option(&args, "-o", xasprintf("source=%s", share_dir));
	add_option(&args, "-o", xasprintf("cache=%s", c_cache_mode(c->virtio_fs_cache)));
	add_option(&args, "-o", xasprintf("log_level=%s", c->enable_debug ? "info" : "warn"));
	add_option(&args, "-o", xstrdup("announce_submounts"));
	if (c->virtio_fs_upper_layers) {
		add_option(&args, "-o", xstrdup("xattr"));
		add_option(&args, "-o", xstrdup("modcaps=+sys_admin"));
	}
	add_extra(&args, c);
	return args;
}

static char **rust_args(const char *path, const char *share_dir, int fd,
			const struct config_hypervisor *c)
{
	char **args = NULL;

	strv_add(&args, path);
	add_formatted(&args, xasprintf("--fd=%d", fd));
	add_formatted(&args, xasprintf("--shared-dir=%s", share_dir));
	add_formatted(&args, xasprintf("--cache=%s", c->virtio_fs_cache));
	add_formatted(&args, xasprintf("--log-level=%s", c->enable_debug ? "info" : "warn"));
	strv_add(&args, "--announce-submounts");
	if (c->virtio_fs_upper_layers) {
		strv_add(&args, "--xattr");
		strv_add(&args, "--modcaps=+sys_admin");
	}
	add_extra(&args, c);
	return args;
}

char **virtiofsd_args(enum virtiofsd_kind kind, const char *path, const char *share_dir,
		      int socket_fd, const struct config_hypervisor *c)
{
	return kind == VIRTIOFSD_C ? c_args(path, share_dir, socket_fd, c)
				   : rust_args(path, share_dir, socket_fd, c);
}

/* Its first words on being asked for --version. */
static int ask_version(const char *path, struct deadline d, char text[static VERSION_TEXT_MAX],
		       struct err *e)
{
	const char *const argv[] = { path, "--version", NULL };
	struct child_fd out = { .to = STDOUT_FILENO };
	struct child_spec spec = { .name = "virtiofsd --version",
				   .argv = argv,
				   .fds = &out,
				   .n_fds = 1,
				   .die_with_parent = true };
	auto_close int theirs = -1;
	auto_io struct io *io = NULL;
	struct child *child;
	size_t len = 0;
	ssize_t n = 0;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe for %s", path);
	theirs = fds[1];
	io = io_consume(fds[0], e);
	if (!io)
		return -1;
	out.from = theirs;
	child = child_spawn(&spec, e);
	if (!child)
		return -1;
	close_slot(&theirs);
	theirs = -1;
	while (len < VERSION_TEXT_MAX - 1 &&
	       (n = io_read(io, text + len, VERSION_TEXT_MAX - 1 - len, d, e)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	child_free(child);
	return n < 0 ? -1 : 0;
}

static int find_kind(const char *path, struct deadline d, enum virtiofsd_kind *ret, struct err *e)
{
	auto_free char *text = xmalloc(VERSION_TEXT_MAX);

	if (ask_version(path, d, text, e) < 0 || virtiofsd_kind_of(text, ret, e) < 0)
		return err_wrap(e, "virtio_fs_daemon '%s'", path);
	return 0;
}

int virtiofsd_sockets(const struct hv *hv, int *ret_listener, int *ret_connection, struct err *e)
{
	auto_free char *path = hv_run_path(hv, "virtiofsd.sock");
	auto_close int connection = -1;
	auto_close int listener = unix_listen(path, e);

	if (listener < 0)
		return -1;
	connection = unix_connect_fd(path, e);
	(void)unlink(path);
	if (connection < 0)
		return -1;
	*ret_listener = take_fd(&listener);
	*ret_connection = take_fd(&connection);
	return 0;
}

static int confine(const struct hv *hv, struct confine **ret, struct err *e)
{
	const struct confine_spec spec = {
		.role = CONFINE_FS_DAEMON,
		.user = "",
		.netns_fd = -1,
		.cgroups = hv->spec.cgroup,
	};

	return confine_new(&spec, ret, e);
}

int virtiofsd_start(struct hv *hv, int listener, struct undo *u, struct deadline d, struct err *e)
{
	const struct config_hypervisor *c = &hv->spec.config->hypervisor;
	auto_confine struct confine *confined = NULL;
	auto_strv char **args = NULL;
	struct child_fd fds[] = { { .from = listener, .to = SOCKET_FD } };
	struct hv_process_spec spec = { .name = "virtiofsd", .fds = fds, .n_fds = 1 };
	enum virtiofsd_kind kind;

	if (find_kind(c->virtio_fs_daemon, d, &kind, e) < 0 || confine(hv, &confined, e) < 0)
		return -1;
	args = virtiofsd_args(kind, c->virtio_fs_daemon, hv->spec.share_dir, SOCKET_FD, c);
	spec.argv = (const char *const *)args;
	spec.confine = confined;
	return hv_process_start(hv, &spec, u, e) ? 0 : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel announces, and who waits for it; see watch.h. */
#include "agent/device/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/device/match.h"
#include "agent/device/scsi.h"
#include "agent/device/uevent.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>

#define KERNEL_GROUP  1u        /* of NETLINK_KOBJECT_UEVENT; 2 is udevd's */
#define RECEIVE_BYTES (1 << 20) /* for hundreds of devices at once while something else runs */
#define KNOWN_MAX     8192u     /* announcements kept; sysfs has the others */
#define LOOK_AGAIN_MS 200       /* when an announcement may have been lost */
#define NODE_POLL_MS  10
#define NAME_TEXT_MAX 128u /* bytes of a PCI path, an id or a node that a host sends */

/* A device that was added and not removed since. */
struct known {
	char *devpath, *subsystem, *devname, *interface;
	UT_hash_handle hh;
};

struct device_watch {
	char *sys, *dev;
	int64_t timeout_ms;
	struct io *io;
	struct known *known; /* uthash, by devpath */
	struct cond changed;
};

struct device_watch *device_watch_new(const char *sys, const char *dev, int64_t timeout_ms)
{
	struct device_watch *w = xnew(struct device_watch);

	*w = (struct device_watch){
		.sys = xstrdup(sys),
		.dev = xstrdup(dev),
		.timeout_ms = timeout_ms,
		.changed = COND_INIT,
	};
	return w;
}

static void known_forget(struct device_watch *w, struct known *k)
{
	HASH_DEL(w->known, k);
	free(k->devpath);
	free(k->subsystem);
	free(k->devname);
	free(k->interface);
	free(k);
}

void device_watch_free(struct device_watch *w)
{
	if (!w)
		return;
	while (w->known)
		known_forget(w, w->known);
	if (w->io)
		io_free(w->io);
	free(w->sys);
	free(w->dev);
	free(w);
}

const char *device_watch_sys(const struct device_watch *w)
{
	return w->sys;
}

const char *device_watch_dev(const struct device_watch *w)
{
	return w->dev;
}

/* A block of memory that was plugged in. The kernel takes its time over a large one. */
static void take_memory(void *arg)
{
	const char *path = arg;
	struct err e = ERR_INIT;

	if (file_write(AT_FDCWD, path, "1", 1, &e) < 0)
		log_debug("plugged memory: %s", e.text);
}

void device_watch_feed(struct device_watch *w, const char *message, size_t len)
{
	struct known *k = NULL;
	struct uevent u;

	if (!uevent_parse(message, len, &u))
		return;
	HASH_FIND_STR(w->known, u.devpath, k);
	if (strcmp(u.action, "remove") == 0) {
		if (k)
			known_forget(w, k);
		return;
	}
	if (strcmp(u.action, "add") != 0)
		return;
	if (k)
		known_forget(w, k);
	if (strcmp(u.subsystem, "memory") == 0) {
		auto_free char *path = xasprintf("%s%s/online", w->sys, u.devpath);

		work_run(take_memory, path);
		return; /* nobody waits for that */
	}
	if (HASH_COUNT(w->known) < KNOWN_MAX) {
		k = xnew(struct known);
		k->devpath = xstrdup(u.devpath);
		k->subsystem = xstrdup(u.subsystem);
		k->devname = xstrdup(u.devname);
		k->interface = xstrdup(u.interface);
		HASH_ADD_KEYPTR(hh, w->known, k->devpath, strlen(k->devpath), k);
	}
	cond_wake_all(&w->changed);
}

int device_watch_open(struct device_watch *w, struct err *e)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	auto_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				   NETLINK_KOBJECT_UEVENT);
	int bytes = RECEIVE_BYTES;

	if (fd < 0)
		return err_sys(e, errno, "socket for device events");
	/* Needs a capability that an agent in a bigger guest may lack; the default does then. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(e, errno, "listen to device events");
	w->io = io_consume(take_fd(&fd), e);
	return w->io ? 0 : -1;
}

/* Any process of the guest can send to the group's members; only the kernel's port is 0. */
static bool receive(struct device_watch *w, char *message, size_t room)
{
	struct sockaddr_nl from = { .nl_pid = UINT32_MAX };
	socklen_t len = sizeof(from);
	ssize_t n =
		recvfrom(io_fd(w->io), message, room, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < 0 && errno == ENOBUFS)
		cond_wake_all(&w->changed); /* some were lost: look into sysfs */
	if (n < 0)
		return errno == ENOBUFS || errno == EINTR;
	if (len == sizeof(from) && from.nl_pid == 0)
		device_watch_feed(w, message, (size_t)n);
	return true;
}

void device_watch_run(void *watch)
{
	struct device_watch *w = watch;
	char message[UEVENT_MESSAGE_MAX];
	struct err e = ERR_INIT;

	while (io_wait_readable(w->io, DEADLINE_NEVER, &e) == 0)
		while (receive(w, message, sizeof(message)))
			;
	if (e.code != ERR_CANCELLED)
		log_warn("device events: %s", e.text);
}

/* What is looked for, and the answer as it comes to be known. */
struct search {
	struct device_watch *w;
	const struct device_query *q;
	const struct device_match *m;
	int64_t left_ms; /* of the hot-plug timeout */
	char *base;      /* the resolved PCI path, "" for others */
	char *found;     /* devpath */
	char *name;      /* DEVNAME, INTERFACE */
};

static void search_done(struct search *s)
{
	free(s->base);
	free(s->found);
	free(s->name);
}

static bool take_if_match(struct search *s, const struct uevent *u)
{
	if (s->m->subsystem && strcmp(u->subsystem, s->m->subsystem) != 0)
		return false;
	if (!s->m->match(s->q, s->base, u))
		return false;
	s->found = xstrdup(u->devpath);
	s->name = xstrdup(u->interface[0] ? u->interface : u->devname);
	return true;
}

/* sysfs writes the slash of a name such as cciss/c0d0 as an exclamation mark. */
static char *name_from_sysfs(const char *entry)
{
	char *name = xstrdup(entry);

	for (char *c = name; *c; c++)
		if (*c == '!')
			*c = '/';
	return name;
}

/* One entry of /sys/class/<subsystem>: a link to the device, which is read as an event. */
static bool look_at_entry(struct search *s, const char *class, const char *entry)
{
	auto_free char *link = path_join(class, entry);
	auto_free char *name = name_from_sysfs(entry);
	bool net = strcmp(s->m->subsystem, "net") == 0;
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	const char *devpath;

	if (n <= 0)
		return false;
	target[n] = '\0';
	devpath = strstr(target, "/devices/");
	return devpath && take_if_match(s, &(struct uevent){
						   .action = "add",
						   .devpath = devpath,
						   .subsystem = s->m->subsystem,
						   .devname = net ? "" : name,
						   .interface = net ? name : "",
					   });
}

static bool look_into_class(struct search *s)
{
	auto_free char *class = xasprintf("%s/class/%s", s->w->sys, s->m->subsystem);
	const struct dirent *entry;
	bool found = false;
	DIR *d = opendir(class);

	while (d && !found && (entry = readdir(d)))
		found = entry->d_name[0] != '.' && look_at_entry(s, class, entry->d_name);
	if (d)
		(void)closedir(d);
	return found;
}

static bool look_at_path(struct search *s)
{
	auto_free char *devpath = s->m->devpath(s->q, s->base);
	auto_free char *path = path_join(s->w->sys, devpath);
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	s->found = take_ptr(devpath);
	s->name = xstrdup(path_base(s->found));
	return true;
}

static bool look(struct search *s)
{
	struct err later = ERR_INIT;
	struct known *k, *next;

	free(s->base);
	s->base = NULL;
	/* A bridge that is not there yet comes like any other device. */
	if (s->m->by_pci && pci_path_resolve(s->w->sys, &s->q->pci, &s->base, &later) < 0)
		return false;
	if (!s->base)
		s->base = xstrdup("");
	if (s->m->subsystem ? look_into_class(s) : look_at_path(s))
		return true;
	HASH_ITER(hh, s->w->known, k, next)
		if (take_if_match(s, &(struct uevent){
					     .action = "add",
					     .devpath = k->devpath,
					     .subsystem = k->subsystem,
					     .devname = k->devname,
					     .interface = k->interface,
				     }))
			return true;
	return false;
}

static int not_there(const struct search *s, const char *asked, struct err *e)
{
	if (e->code != ERR_TIMEOUT)
		return err_wrap(e, "%s '%s'", s->m->what, asked);
	*e = ERR_INIT;
	return err_set(e, ERR_TIMEOUT,
		       "%s '%s': it has not come in the %lld ms of the hot-plug timeout",
		       s->m->what, asked, (long long)s->w->timeout_ms);
}

static bool is_over(const struct search *s, struct deadline d)
{
	return s->left_ms <= 0 || deadline_passed(d);
}

/*
 * For `ms` or until a device is announced; as cond_wait(), but a time that passes is no error. No more
 * than `ms` is counted: in a machine that stood still nothing could come.
 */
static int wait_a_little(struct search *s, int64_t ms, struct deadline d, struct err *e)
{
	int64_t begun = clock_now_ms();
	struct err why = ERR_INIT;
	int64_t took;

	if (ms > s->left_ms)
		ms = s->left_ms;
	if (cond_wait(&s->w->changed, deadline_min(d, deadline_in_ms(ms)), &why) < 0 &&
	    why.code != ERR_TIMEOUT) {
		*e = why;
		return -1;
	}
	took = clock_now_ms() - begun;
	/* At least one: announcements without end do not make the time endless. */
	s->left_ms -= took < 1 ? 1 : took < ms ? took : ms;
	return 0;
}

static int wait_for(struct search *s, const char *asked, struct deadline d, struct err *e)
{
	s->left_ms = s->w->timeout_ms;
	while (!look(s)) {
		if (is_over(s, d)) {
			err_set(e, ERR_TIMEOUT, "not there");
			return not_there(s, asked, e);
		}
		if (wait_a_little(s, LOOK_AGAIN_MS, d, e) < 0)
			return not_there(s, asked, e);
	}
	return 0;
}

/*
 * sysfs and /dev have a disk before it can be opened: until the kernel has read its partitions, and only
 * then announces it, opening it is ENXIO.
 */
static bool is_usable(const char *node, const struct stat *st)
{
	auto_close int fd = -1;

	if (!S_ISBLK(st->st_mode))
		return true;
	fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 || errno != ENXIO;
}

/* After wait_for(). The kernel makes the node just before or just after it announces the device. */
static int wait_for_node(struct search *s, const char *asked, struct deadline d, char **ret,
			 struct err *e)
{
	auto_free char *node = path_join(s->w->dev, s->name);
	struct stat st;

	if (!s->name[0] || s->name[0] == '/' || strstr(s->name, ".."))
		return err_set(e, ERR_INTERNAL, "%s '%s' has no name", s->m->what, asked);
	for (;;) {
		bool there = lstat(node, &st) == 0;

		if (there && is_usable(node, &st))
			break;
		if (!there && errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, errno, "%s '%s': '%s'", s->m->what, asked, node);
		if (is_over(s, d))
			return err_set(e, ERR_TIMEOUT, "%s '%s' is there, but its node '%s' %s",
				       s->m->what, asked, node,
				       there ? "cannot be opened" : "is not");
		if (wait_a_little(s, NODE_POLL_MS, d, e) < 0)
			return err_wrap(e, "%s '%s'", s->m->what, asked);
	}
	*ret = take_ptr(node);
	return 0;
}

#define auto_search CLEANUP(search_done)

static int wait_node(struct device_watch *w, const struct device_query *q, const char *asked,
		     struct deadline d, char **ret, struct err *e)
{
	auto_search struct search s = { .w = w, .q = q, .m = device_match_for(q->kind) };

	if (wait_for(&s, asked, d, e) < 0)
		return -1;
	return wait_for_node(&s, asked, d, ret, e);
}

static int wait_name(struct device_watch *w, const struct device_query *q, const char *asked,
		     struct deadline d, char **ret, struct err *e)
{
	auto_search struct search s = { .w = w, .q = q, .m = device_match_for(q->kind) };

	if (wait_for(&s, asked, d, e) < 0)
		return -1;
	*ret = take_ptr(s.name);
	return 0;
}

/* A name that becomes part of a path. */
static int check_name(const char *name, struct err *e)
{
	if (!name[0] || name[0] == '.' || strlen(name) > NAME_TEXT_MAX || strchr(name, '/'))
		return err_set(e, ERR_INVALID, "'%.128s' is no name of a device", name);
	return 0;
}

int device_wait_blk(struct device_watch *w, const char *pci_path, struct deadline d,
		    char **ret_node, struct err *e)
{
	struct device_query q = { .kind = DEVICE_BLK_PCI };

	if (pci_path_parse(pci_path, &q.pci, e) < 0)
		return -1;
	return wait_node(w, &q, pci_path, d, ret_node, e);
}

int device_wait_node(struct device_watch *w, const char *node, struct deadline d, char **ret_node,
		     struct err *e)
{
	struct device_query q = { .kind = DEVICE_BLK_NAME };

	if (strncmp(node, "/dev/", 5) != 0)
		return err_set(e, ERR_INVALID, "'%.128s' is not below /dev", node);
	q.name = node + 5;
	if (check_name(q.name, e) < 0)
		return -1;
	return wait_node(w, &q, node, d, ret_node, e);
}

int device_wait_scsi(struct device_watch *w, const char *address, struct deadline d,
		     char **ret_node, struct err *e)
{
	struct device_query q = { .kind = DEVICE_SCSI };

	if (scsi_address_parse(address, &q.scsi_id, &q.scsi_lun, e) < 0)
		return -1;
	scsi_scan(w->sys, q.scsi_id, q.scsi_lun);
	return wait_node(w, &q, address, d, ret_node, e);
}

int device_wait_blk_ccw(struct device_watch *w, const char *id, struct deadline d, char **ret_node,
			struct err *e)
{
	struct device_query q = { .kind = DEVICE_BLK_CCW, .name = id };

	if (check_name(id, e) < 0)
		return -1;
	return wait_node(w, &q, id, d, ret_node, e);
}

/* "0.<set>.<number>", of s390x; no PCI path has two dots in one element. */
static bool is_ccw_id(const char *s)
{
	return s[0] == '0' && s[1] == '.' && s[2] >= '0' && s[2] <= '3' && s[3] == '.' &&
	       strspn(s + 4, "0123456789abcdef") == 4 && s[8] == '\0';
}

int device_wait_net(struct device_watch *w, const char *place, struct deadline d, char **ret_name,
		    struct err *e)
{
	struct device_query q = { .kind = DEVICE_NET_PCI, .name = place };

	if (is_ccw_id(place))
		q.kind = DEVICE_NET_CCW;
	else if (pci_path_parse(place, &q.pci, e) < 0)
		return -1;
	return wait_name(w, &q, place, d, ret_name, e);
}

int device_wait_pci(struct device_watch *w, const char *pci_path, struct deadline d,
		    char **ret_address, struct err *e)
{
	struct device_query q = { .kind = DEVICE_PCI };
	auto_search struct search s = { .w = w, .q = &q, .m = device_match_for(DEVICE_PCI) };

	if (pci_path_parse(pci_path, &q.pci, e) < 0)
		return -1;
	if (wait_for(&s, pci_path, d, e) < 0)
		return -1;
	*ret_address = xstrdup(path_base(s.found));
	return 0;
}

int device_wait_vfio(struct device_watch *w, const char *group, struct deadline d, char **ret_node,
		     struct err *e)
{
	struct device_query q = { .kind = DEVICE_VFIO_GROUP, .name = group };
	auto_search struct search s = { .w = w, .q = &q, .m = device_match_for(DEVICE_VFIO_GROUP) };

	if (check_name(group, e) < 0)
		return -1;
	if (wait_for(&s, group, d, e) < 0)
		return -1;
	free(s.name);
	s.name = xasprintf("vfio/%s", group);
	return wait_for_node(&s, group, d, ret_node, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the host's files in the guest; see volume_copy.h. */
#include "shim/storage/volume_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/utf8.h"
#include "shim/storage/share.h"

struct volume_copied {
	struct volume_copied *next;
	char *source, *guest_path;
	bool whole; /* it was copied to its end */
};

struct copying {
	const struct volume_copier *to;
	uint64_t bytes;
	unsigned files;
	uint8_t *piece; /* VOLUME_COPY_PIECE bytes */
};

static int count(struct copying *c, uint64_t bytes, struct err *e)
{
	c->bytes += bytes;
	if (++c->files > VOLUME_COPY_FILES_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "more than %u files, too many to be copied into the guest",
			       VOLUME_COPY_FILES_MAX);
	if (c->bytes > VOLUME_COPY_BYTES_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "more than %u MiB, too much to be copied into the guest",
			       VOLUME_COPY_BYTES_MAX >> 20);
	return 0;
}

static Grpc__CopyFileRequest request_of(const char *guest, const struct stat *st)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;

	req.path = (char *)(uintptr_t)guest;
	req.file_mode = st->st_mode;
	req.uid = (int32_t)st->st_uid;
	req.gid = (int32_t)st->st_gid;
	return req;
}

static int send_directory(const struct copying *c, const char *guest, const struct stat *st,
			  struct err *e)
{
	Grpc__CopyFileRequest req = request_of(guest, st);

	return c->to->send(c->to->arg, &req, e);
}

static int copy_symlink(struct copying *c, int parent, const char *name, const char *guest,
			const struct stat *st, struct err *e)
{
	Grpc__CopyFileRequest req = request_of(guest, st);
	ssize_t len = readlinkat(parent, name, (char *)c->piece, PATH_MAX);

	if (len < 0)
		return err_sys(e, errno, "read a symlink");
	req.file_size = len;
	req.data = (ProtobufCBinaryData){ .data = c->piece, .len = (size_t)len };
	return c->to->send(c->to->arg, &req, e);
}

/* The host's disk may be slow, or far away. */
struct reading {
	int fd;
	void *to;
	size_t len;
	off_t offset;
	ssize_t n;
	int error;
};

static void read_now(void *arg)
{
	struct reading *r = arg;

	do {
		r->n = pread(r->fd, r->to, r->len, r->offset);
	} while (r->n < 0 && errno == EINTR);
	r->error = errno;
}

static ssize_t read_piece(int fd, void *to, size_t len, off_t offset, struct err *e)
{
	struct reading r = { .fd = fd, .to = to, .len = len, .offset = offset };

	work_run(read_now, &r);
	return r.n < 0 ? err_sys(e, r.error, "read") : r.n;
}

/* As many bytes as it had when it was opened: what grows meanwhile is as a reader would see it too. */
static int copy_regular(struct copying *c, int fd, const char *guest, const struct stat *st,
			struct err *e)
{
	Grpc__CopyFileRequest req = request_of(guest, st);

	req.file_size = st->st_size;
	do {
		off_t left = st->st_size - req.offset;
		size_t want = left < (off_t)VOLUME_COPY_PIECE ? (size_t)left : VOLUME_COPY_PIECE;
		ssize_t n = want > 0 ? read_piece(fd, c->piece, want, req.offset, e) : 0;

		if (n < 0)
			return -1;
		if (n == 0 && want > 0)
			return err_set(e, ERR_STATE, "it became shorter while it was copied");
		req.data = (ProtobufCBinaryData){ .data = c->piece, .len = (size_t)n };
		if (c->to->send(c->to->arg, &req, e) < 0)
			return -1;
		req.offset += n;
	} while (req.offset < st->st_size);
	return 0;
}

static int copy_one(struct copying *c, int parent, const char *name, const char *guest,
		    unsigned depth, struct err *e);

static int copy_entries(struct copying *c, DIR *dir, const char *guest, unsigned depth,
			struct err *e)
{
	for (;;) {
		auto_free char *inside = NULL;
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? err_sys(e, errno, "read the directory") : 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!utf8_valid(entry->d_name, strlen(entry->d_name)))
			return err_set(e, ERR_UNSUPPORTED, "a name in it is not UTF-8");
		inside = path_join(guest, entry->d_name);
		if (copy_one(c, dirfd(dir), entry->d_name, inside, depth, e) < 0)
			return err_wrap(e, "%s", entry->d_name);
	}
}

/*
 * Once before what is in it, so that it is there, and once after: the agent gives the directory of each
 * file to the file's owner.
 */
static int copy_directory(struct copying *c, int fd_taken, const char *guest, const struct stat *st,
			  unsigned depth, struct err *e)
{
	DIR *dir = depth < VOLUME_COPY_DEPTH_MAX ? fdopendir(fd_taken) : NULL;
	int r;

	if (!dir) {
		int error = errno;

		(void)close(fd_taken);
		return depth < VOLUME_COPY_DEPTH_MAX
			       ? err_sys(e, error, "read the directory")
			       : err_set(e, ERR_EXHAUSTED, "more than %u directories in each other",
					 VOLUME_COPY_DEPTH_MAX);
	}
	r = send_directory(c, guest, st, e);
	if (r == 0)
		r = copy_entries(c, dir, guest, depth + 1, e);
	if (r == 0)
		r = send_directory(c, guest, st, e);
	(void)closedir(dir);
	return r;
}

/* Symlinks below the source are copied, never followed: what they lead to is the container's. */
static int copy_one(struct copying *c, int parent, const char *name, const char *guest,
		    unsigned depth, struct err *e)
{
	int follow = depth == 0 ? 0 : O_NOFOLLOW;
	auto_close int fd = -1;
	struct stat st;

	if (fstatat(parent, name, &st, follow ? AT_SYMLINK_NOFOLLOW : 0) < 0)
		return err_sys(e, errno, "stat");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return 0;
	if (S_ISLNK(st.st_mode))
		return count(c, 0, e) < 0 ? -1 : copy_symlink(c, parent, name, guest, &st, e);
	/* It may have become something else since: a pipe must not hold us up. */
	fd = openat(parent, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | follow);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open");
	if (count(c, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, e) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return copy_directory(c, take_fd(&fd), guest, &st, depth, e);
	return S_ISREG(st.st_mode) ? copy_regular(c, fd, guest, &st, e) : 0;
}

static struct volume_copied *find(const struct volume_copies *t, const char *source)
{
	for (struct volume_copied *v = t->first; v; v = v->next)
		if (strcmp(v->source, source) == 0)
			return v;
	return NULL;
}

static struct volume_copied *add(struct volume_copies *t, const char *source)
{
	struct volume_copied *v = xnew(struct volume_copied);

	v->source = xstrdup(source);
	v->guest_path = xasprintf("%scopy-%" PRIx64, SHARE_GUEST_DIR, t->next++);
	v->whole = false;
	v->next = t->first;
	t->first = v;
	return v;
}

int volume_copy(struct volume_copies *t, const struct volume_copier *to, const char *source,
		bool read_only, struct deadline d, char **ret_path, struct err *e)
{
	struct copying c = { .to = to };
	struct volume_copied *v;
	int r = 0;

	while (t->busy)
		if (cond_wait(&t->idle, d, e) < 0)
			return err_wrap(e, "copy '%s'", source);
	v = find(t, source);
	if (!v)
		v = add(t, source);
	if (!v->whole || read_only) {
		t->busy = true;
		c.piece = xmalloc(VOLUME_COPY_PIECE);
		r = copy_one(&c, AT_FDCWD, source, v->guest_path, 0, e);
		free(c.piece);
		t->busy = false;
		cond_wake_all(&t->idle);
	}
	if (r < 0)
		return err_wrap(e, "copy '%s' into the guest", source);
	v->whole = true;
	*ret_path = xstrdup(v->guest_path);
	return 0;
}

void volume_copies_done(struct volume_copies *t)
{
	struct volume_copied *v = t->first, *next;

	for (; v; v = next) {
		next = v->next;
		free(v->source);
		free(v->guest_path);
		free(v);
	}
	*t = VOLUME_COPIES_INIT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the host's files in the guest; see volume_copy.h. */
#include "shim/storage/volume_copy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/utf8.h"
#include "shim/storage/host_file.h"
#include "shim/storage/share.h"

struct volume_copied {
	struct volume_copied *next;
	char *source, *guest_path;
	bool whole; /* it was copied to its end */
	bool busy;  /* some fiber copies it */
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

static int send_symlink(const struct copying *c, const char *guest, const struct host_file *f,
			struct err *e)
{
	Grpc__CopyFileRequest req = request_of(guest, &f->st);

	req.data = (ProtobufCBinaryData){ .data = (uint8_t *)f->target, .len = strlen(f->target) };
	req.file_size = (int64_t)req.data.len;
	return c->to->send(c->to->arg, &req, e);
}

/* As many bytes as it had when it was opened: what grows meanwhile is as a reader would see it too. */
static int copy_regular(struct copying *c, const struct host_file *f, const char *guest,
			struct err *e)
{
	Grpc__CopyFileRequest req = request_of(guest, &f->st);

	req.file_size = f->st.st_size;
	do {
		off_t left = req.file_size - req.offset;
		size_t want = left < (off_t)VOLUME_COPY_PIECE ? (size_t)left : VOLUME_COPY_PIECE;
		ssize_t n = want > 0 ? host_file_read(f, c->piece, want, req.offset, e) : 0;

		if (n < 0)
			return -1;
		if (n == 0 && want > 0)
			return err_set(e, ERR_STATE, "it became shorter while it was copied");
		req.data = (ProtobufCBinaryData){ .data = c->piece, .len = (size_t)n };
		if (c->to->send(c->to->arg, &req, e) < 0)
			return -1;
		req.offset += n;
	} while (req.offset < req.file_size);
	return 0;
}

static int copy_one(struct copying *c, const struct host_file *f, const char *guest, unsigned depth,
		    struct err *e);

/* Symlinks below the source are copied, never followed: what they lead to is the container's. */
static int copy_entry(struct copying *c, const struct host_file *dir, const char *name,
		      const char *guest, unsigned depth, struct err *e)
{
	auto_host_file struct host_file f = HOST_FILE_NONE;
	auto_free char *inside = NULL;

	if (!utf8_valid(name, strlen(name)))
		return err_set(e, ERR_UNSUPPORTED, "a name in it is not UTF-8");
	inside = path_join(guest, name);
	if (host_file_open_in(dir, name, &f, e) < 0 || copy_one(c, &f, inside, depth, e) < 0)
		return err_wrap(e, "%s", name);
	return 0;
}

static int copy_entries(struct copying *c, const struct host_file *dir, const char *guest,
			unsigned depth, struct err *e)
{
	auto_strv char **names = NULL;

	if (host_file_list(dir, VOLUME_COPY_FILES_MAX, &names, e) < 0)
		return -1;
	for (size_t i = 0; names && names[i]; i++)
		if (copy_entry(c, dir, names[i], guest, depth, e) < 0)
			return -1;
	return 0;
}

/*
 * Once before what is in it, so that it is there, and once after: the agent gives the directory of each
 * file to the file's owner.
 */
static int copy_directory(struct copying *c, const struct host_file *dir, const char *guest,
			  unsigned depth, struct err *e)
{
	if (depth >= VOLUME_COPY_DEPTH_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u directories in each other",
			       VOLUME_COPY_DEPTH_MAX);
	if (send_directory(c, guest, &dir->st, e) < 0 ||
	    copy_entries(c, dir, guest, depth + 1, e) < 0)
		return -1;
	return send_directory(c, guest, &dir->st, e);
}

static int copy_one(struct copying *c, const struct host_file *f, const char *guest, unsigned depth,
		    struct err *e)
{
	bool regular = S_ISREG(f->st.st_mode), directory = S_ISDIR(f->st.st_mode);

	if (!regular && !directory && !f->target)
		return 0;
	if (count(c, regular ? (uint64_t)f->st.st_size : 0, e) < 0)
		return -1;
	if (f->target)
		return send_symlink(c, guest, f, e);
	return directory ? copy_directory(c, f, guest, depth, e) : copy_regular(c, f, guest, e);
}

static int copy_source(const struct volume_copier *to, const struct volume_copied *v, struct err *e)
{
	auto_free uint8_t *piece = xmalloc(VOLUME_COPY_PIECE);
	auto_host_file struct host_file f = HOST_FILE_NONE;
	struct copying c = { .to = to, .piece = piece };

	return host_file_open(v->source, &f, e) < 0 ? -1 : copy_one(&c, &f, v->guest_path, 0, e);
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
	struct volume_copied *v = find(t, source);
	int r;

	if (!v)
		v = add(t, source);
	while (v->busy)
		if (cond_wait(&t->idle, d, e) < 0)
			return err_wrap(e, "wait for the copy of '%s' for another container",
					source);
	if (!v->whole || read_only) {
		v->busy = true;
		r = copy_source(to, v, e);
		v->busy = false;
		cond_wake_all(&t->idle);
		if (r < 0)
			return err_wrap(e, "copy '%s' into the guest", source);
		v->whole = true;
	}
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

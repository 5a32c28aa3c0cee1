/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a root file system of layers; see layers.h. Everything is below one directory of the
 * container, "multi-layer": upper, lower-0 (the topmost), lower-1 …
 */
#include "agent/storage/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/modules.h"
#include "agent/mount/mount.h"
#include "agent/mount/remove_tree.h"
#include "agent/storage/block.h"
#include "agent/storage/layers_plan.h"
#include "agent/storage/verified.h"
#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* The kernel reads the partition table when the disk appears; a host may take the processor away meanwhile. */
#define PARTITION_MS      10000
#define PARTITION_POLL_MS 20

/* One layer while it is being mounted, in a fiber of its own. */
struct layer_job {
	const struct layers_plan *plan;
	const struct layer *layer;
	const struct storage_user *user;
	const char *disk; /* borrowed */
	char *dir;
	size_t index;
	struct undo undo;
	struct err e;
	bool failed;
};

static void undo_mount(void *arg)
{
	char *path = arg;
	struct err e = ERR_INIT;

	if (mount_remove(GUEST_MOUNT_POINT(path), &e) < 0)
		log_warn("layer stays mounted: %s", e.text);
	else if (rmdir(path) < 0 && errno != ENOENT)
		log_debug("mount point '%s' stays: %s", path, strerror(errno));
	free(path);
}

static void undo_directory(void *arg)
{
	char *path = arg;
	struct err e = ERR_INIT;

	if (remove_tree(path, &e) < 0)
		log_warn("files of layers stay: %s", e.text);
	free(path);
}

static int wait_for_partition(const char *node, struct err *e)
{
	struct deadline d = deadline_in_ms(PARTITION_MS);
	struct stat st;

	while (stat(node, &st) < 0) {
		if (errno != ENOENT)
			return err_sys(e, errno, "stat '%s'", node);
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "partition '%s' has not come in %d ms", node,
				       PARTITION_MS);
		if (fiber_sleep_ms(PARTITION_POLL_MS, e) < 0)
			return -1;
	}
	return S_ISBLK(st.st_mode) ? 0 : err_set(e, ERR_INVALID, "'%s' is no block device", node);
}

/*
 * `more`: options besides those of the storage. `undo` has been told before the mount is tried:
 * unmounting what is not mounted is nothing.
 */
static int mount_layer(const char *node, const char *dir, const Grpc__Storage *s, char **more,
		       bool lower, struct undo *undo, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_free char **words = NULL;
	size_t n, n_more = strv_len((const char *const *)more);

	words = block_mount_words(s->options, s->n_options, &n);
	words = xrealloc(words, (n + n_more + 1) * sizeof(words[0]));
	for (size_t i = 0; i < n_more; i++)
		words[n++] = more[i];
	if (mount_options_parse(words, n, &o, e) < 0)
		return -1;
	if (lower)
		o.flags |= MS_RDONLY;
	undo_push(undo, "layer", undo_mount, xstrdup(dir));
	if (path_mkdirs(dir, 0755, e) < 0)
		return -1;
	return mount_at(node, GUEST_MOUNT_POINT(dir), s->fstype, &o, e);
}

/* The device to be read from: the disk, a partition of it, or what verifies that. */
static int open_layer(struct layer_job *job, const struct layer *l, char **ret)
{
	auto_free char *node =
		l->partition ? layers_partition_node(job->disk, l->partition) : xstrdup(job->disk);

	if (l->partition && wait_for_partition(node, &job->e) < 0)
		return -1;
	if (l->verified)
		return verified_open(&l->verity, node, job->user, &job->undo, ret, &job->e);
	*ret = take_ptr(node);
	return 0;
}

/*
 * The devices of a merged image. All of them have to fit into mount(2)'s one page, which is why a
 * verified one goes by the kernel's name for it.
 */
static int open_blobs(struct layer_job *job, char ***ret_words)
{
	const struct layers_plan *p = job->plan;

	for (size_t i = 0; i < p->n_blobs; i++) {
		auto_free char *node = NULL, *word = NULL;
		struct stat st;

		if (p->blob[i].blob_of != job->layer->partition)
			continue;
		if (open_layer(job, &p->blob[i], &node) < 0)
			return err_wrap(&job->e, "blob in partition %u", p->blob[i].partition);
		if (p->blob[i].verified && stat(node, &st) < 0)
			return err_sys(&job->e, errno, "stat '%s'", node);
		word = p->blob[i].verified ? xasprintf("device=/dev/dm-%u", minor(st.st_rdev))
					   : xasprintf("device=%s", node);
		strv_add(ret_words, word);
	}
	return 0;
}

static int attach_layer(struct layer_job *job)
{
	const struct layer *l = job->layer;
	auto_strv char **devices = NULL;
	auto_free char *node = NULL;

	if (open_layer(job, l, &node) < 0 || open_blobs(job, &devices) < 0)
		return -1;
	if (mount_layer(node, job->dir, l->storage, devices, true, &job->undo, &job->e) == 0)
		return 0;
	if (l->verified && job->e.sys == EIO)
		err_wrap(&job->e, "verification failed, root hash %s", l->verity.root_hash);
	return -1;
}

static void run_job(void *arg)
{
	struct layer_job *job = arg;

	if (attach_layer(job) == 0)
		return;
	job->failed = true;
	if (job->layer->partition)
		err_wrap(&job->e, "layer %zu (partition %u)", job->index + 1,
			 job->layer->partition);
	else
		err_wrap(&job->e, "layer %zu", job->index + 1);
}

/* Each disk is waited for once: partitions share one. `node` has room for all and a NULL behind them. */
static int wait_for_disks(const struct layers_plan *p, const struct storage_user *user, char **node,
			  struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		const Grpc__Storage *s = p->lower[i].storage;

		for (size_t k = 0; k < i && !node[i]; k++)
			if (strcmp(p->lower[k].storage->source, s->source) == 0 &&
			    strcmp(p->lower[k].storage->driver, s->driver) == 0)
				node[i] = xstrdup(node[k]);
		if (!node[i] && block_wait(user->devices, s->driver, s->source, &node[i], e) < 0)
			return err_wrap(e, "layer %zu", i + 1);
	}
	return 0;
}

/* All at once. What succeeded is on *teardown in the layers' order, whatever became of the others. */
static int mount_lowers(const struct layers_plan *p, const char *dir, char *const *node,
			const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free struct layer_job *job = xcalloc(p->n + 1, sizeof(*job));
	struct fiber_group g = FIBER_GROUP_INIT;
	const struct layer_job *failed = NULL;

	for (size_t i = 0; i < p->n; i++) {
		job[i] = (struct layer_job){
			.plan = p,
			.layer = &p->lower[i],
			.user = user,
			.disk = node[i],
			.dir = xasprintf("%s/lower-%zu", dir, i),
			.index = i,
		};
		fiber_group_start(&g, "layer", run_job, &job[i]);
	}
	fiber_group_wait(&g);
	for (size_t i = 0; i < p->n; i++) {
		undo_move(teardown, &job[i].undo);
		free(job[i].dir);
		if (job[i].failed && !failed)
			failed = &job[i];
	}
	if (failed)
		*e = failed->e;
	return failed ? -1 : 0;
}

/* A directory of the share: what its path leads through is resolved beneath that. */
static int bind_upper(const struct layers_plan *p, const char *path,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_close int source = host_path_open(user->run_dir, p->upper->source, O_DIRECTORY, e);
	char opened[FD_PATH_MAX];

	if (source < 0)
		return -1;
	return mount_layer(fd_path(source, opened), path, p->upper, NULL, false, teardown, e);
}

static int mount_upper(const struct layers_plan *p, const char *dir,
		       const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char *path = path_join(dir, "upper");
	auto_free char *node = NULL;

	if (!p->upper)
		return path_mkdirs(path, 0755, e);
	if (p->upper_is_directory)
		return bind_upper(p, path, user, teardown, e);
	if (block_wait(user->devices, p->upper->driver, p->upper->source, &node, e) < 0 ||
	    modules_demand(p->upper->fstype, e) < 0 ||
	    mount_layer(node, path, p->upper, NULL, false, teardown, e) < 0)
		return err_wrap(e, "writable layer");
	return 0;
}

/* Inside the layer, wherever its links point. */
static int make_in(const char *dir, const char *layer, const char *path, struct err *e)
{
	auto_free char *root = path_join(dir, layer);
	auto_close int rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;

	if (rootfd < 0)
		return err_sys(e, errno, "open '%s'", root);
	fd = path_mkdirs_in_root(rootfd, path, 0755, e);
	return fd < 0 ? err_wrap(e, "directory '%s' in a layer", path) : 0;
}

static int make_directories(const struct layers_plan *p, const char *dir, struct err *e)
{
	for (size_t i = 0; p->mkdirs && p->mkdirs[i]; i++)
		if (make_in(dir, p->mkdirs[i][0] == '0' ? "upper" : "lower-0", p->mkdirs[i] + 2,
			    e) < 0)
			return -1;
	if (make_in(dir, "upper", p->upper_name, e) < 0)
		return -1;
	return make_in(dir, "upper", p->work_name, e);
}

struct overlay {
	const char *dir, *target, *data;
	const char *failed;
	int sys;
};

/*
 * In a thread with a working directory of its own: the paths of many layers are longer than the page
 * that mount(2) takes, and the kernel resolves short ones from there.
 */
static void *overlay_thread(void *arg)
{
	struct overlay *o = arg;

	o->failed = NULL;
	if (unshare(CLONE_FS) < 0)
		o->failed = "unshare the working directory";
	else if (chdir(o->dir) < 0)
		o->failed = "change to the layers' directory";
	else if (mount("overlay", o->target, "overlay", 0, o->data) < 0)
		o->failed = "mount the overlay of the layers";
	o->sys = o->failed ? errno : 0;
	return NULL;
}

static void overlay_now(void *arg)
{
	struct overlay *o = arg;
	pthread_t thread;

	o->failed = "start a thread";
	o->sys = pthread_create(&thread, NULL, overlay_thread, o);
	if (o->sys == 0)
		(void)pthread_join(thread, NULL);
}

static int mount_overlay(const struct layers_plan *p, const char *dir, const struct mount_point *at,
			 struct err *e)
{
	auto_free char *data = layers_overlay_data(p);
	auto_close int onto = -1;
	char target[FD_PATH_MAX];
	struct overlay o = { .dir = dir, .target = target, .data = data };

	if (strlen(data) > MOUNT_DATA_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu layers are too many for one overlay", p->n);
	onto = mount_point_make(at, true, e);
	if (onto < 0)
		return -1;
	(void)fd_path(onto, target);
	work_run(overlay_now, &o);
	return o.failed ? err_sys(e, o.sys, "%s at '%s'", o.failed, at->path) : 0;
}

int layers_mount(Grpc__Storage *const *member, size_t n, const struct mount_point *at,
		 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_layers_plan struct layers_plan p = { .n = 0 };
	auto_strv char **node = xcalloc(n + 1, sizeof(char *));
	auto_free char *dir = NULL;

	if (!user->container_id)
		return err_set(e, ERR_INVALID, "layers belong to a container");
	if (layers_plan_make(member, n, &p, e) < 0)
		return -1;
	dir = xasprintf("%s/%s/multi-layer", user->run_dir, user->container_id);
	undo_push(teardown, "layers' directory", undo_directory, xstrdup(dir));
	if (path_mkdirs(dir, 0755, e) < 0 || wait_for_disks(&p, user, node, e) < 0 ||
	    modules_demand("erofs", e) < 0 || modules_demand("overlay", e) < 0)
		return -1;
	if (mount_upper(&p, dir, user, teardown, e) < 0 ||
	    mount_lowers(&p, dir, node, user, teardown, e) < 0)
		return -1;
	if (make_directories(&p, dir, e) < 0)
		return -1;
	return mount_overlay(&p, dir, at, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a container's files into the guest; see container_files.h. */
#include "shim/sandbox/container_files.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/rootfs.h"
#include "shim/storage/rootfs_guest.h"

char *container_root(const struct container_params *p)
{
	return p->spec->root->path[0] == '/' ? xstrdup(p->spec->root->path)
					     : path_join(p->bundle, p->spec->root->path);
}

static int share_rootfs(struct sandbox *s, const struct container_params *p, struct undo *u,
			struct container_files *f, struct err *e)
{
	auto_free char *root = NULL;

	if (!s->share.mounts)
		return err_set(
			e, ERR_UNSUPPORTED,
			"shared_fs is \"none\": a root file system of directories cannot get "
			"into the guest");
	if (share_add_rootfs(&s->share, p->id, u, &f->host_root, &f->rootfs, e) < 0)
		return -1;
	root = container_root(p);
	return rootfs_mount(p->rootfs, p->n_rootfs, root, f->host_root, u, e);
}

static bool host_can_mount(const struct rootfs_plan *p)
{
	return p->way == ROOTFS_HOST ||
	       (p->way == ROOTFS_DISK && strcmp(p->layer[0].fstype, "erofs") != 0);
}

/*
 * Into the share with the directory that is the upper layer on the host, where virtiofsd was started so
 * that overlayfs can use it. Upper and work directory have to be on one mount, so they come together.
 */
static int share_upper(struct sandbox *s, const struct container_params *c, struct rootfs_plan *p,
		       struct undo *u, struct err *e)
{
	const char *upper = p->upper_on_host, *work = p->work_on_host;
	auto_free char *both = NULL, *host = NULL;
	struct mount_bind_params bind = { .recursive = false };

	if (!upper || !s->config->hypervisor.virtio_fs_upper_layers || !s->share.mounts ||
	    !agent_has_feature(s->agent, AGENT_FEATURE_UPPER_DIRECTORY))
		return 0;
	if (!path_is_clean(upper) || !path_is_clean(work) ||
	    path_base(upper) - upper != path_base(work) - work ||
	    strncmp(upper, work, (size_t)(path_base(upper) - upper)) != 0)
		return err_set(e, ERR_UNSUPPORTED, "'%s' and '%s' are not beside each other", upper,
			       work);
	both = xstrndup(upper, (size_t)(path_base(upper) - upper) - 1);
	bind.source = both;
	return share_add_bind(&s->share, c->id, &bind, true, u, &host, &p->upper_in_guest, e);
}

int container_files_rootfs(struct sandbox *s, const struct container_params *p, struct deadline d,
			   struct undo *u, struct container_files *f, struct err *e)
{
	auto_rootfs_plan struct rootfs_plan plan = { .way = ROOTFS_HOST };
	bool disabled = s->config->hypervisor.disable_block_device_use;

	if (!p->spec->root || !p->spec->root->path)
		return err_set(e, ERR_INVALID, "the OCI spec has no root.path");
	if (rootfs_plan_make(p->rootfs, p->n_rootfs, &plan, e) < 0)
		return -1;
	if (plan.way == ROOTFS_HOST || (disabled && host_can_mount(&plan)))
		return share_rootfs(s, p, u, f, e);
	if (disabled)
		return err_set(e, ERR_UNSUPPORTED,
			       "disable_block_device_use is set: layers cannot get into the guest "
			       "(containerd mounts them itself after its restart)");
	f->read_only = plan.read_only;
	plan.blobs_apart = agent_has_feature(s->agent, AGENT_FEATURE_BLOB_PARTITIONS);
	if (share_upper(s, p, &plan, u, e) < 0)
		return err_wrap(e, "upper layer of the root file system");
	if (rootfs_guest_attach(&plan, p->id, &s->disks, d, u, &f->request, &f->rootfs, e) == 0)
		return 0;
	if (!host_can_mount(&plan) || e->code != ERR_UNSUPPORTED)
		return -1;
	log_info("%s", e->text);
	*e = ERR_INIT;
	return share_rootfs(s, p, u, f, e);
}

struct sending {
	struct sandbox *s;
	struct deadline d;
};

static int send_file(void *arg, const Grpc__CopyFileRequest *req, struct err *e)
{
	const struct sending *to = arg;

	return agent_copy_file(to->s->agent, req, sandbox_request_deadline(to->s, to->d), e);
}

int container_files_volumes(struct sandbox *s, const struct container_params *p, struct deadline d,
			    struct undo *u, struct container_files *f, struct err *e)
{
	auto_free char *name = xasprintf("%s/%s", s->ns, s->id);
	const struct volume_disk_params disk = {
		.direct_volumes = DIRECT_VOLUME_DIR,
		.sandbox = name,
		.disks = &s->disks,
		.d = d,
		.u = u,
		.r = &f->request,
	};
	struct sending sending = { .s = s, .d = d };
	const struct volume_copier copy = { .send = send_file, .arg = &sending };
	const struct volumes_params params = {
		.share = &s->share,
		.copies = &s->copies,
		.copy = &copy,
		.projections = &s->projections,
		.d = d,
		.container = p->id,
		.spec = p->spec,
		.no_disks = s->config->hypervisor.disable_block_device_use,
		.disk = &disk,
		.kubelet_root = s->config->runtime.kubelet_root_dir,
		.guest_empty_dir = !s->config->runtime.disable_guest_empty_dir || !s->share.mounts,
	};

	return volumes_bring(&params, u, &f->volumes, e);
}

void container_files_done(struct container_files *f, const struct container_params *p)
{
	volumes_free(f->volumes, f->volumes ? p->spec->n_mounts : 0);
	guest_request_done(&f->request);
	free(f->host_root);
	free(f->rootfs);
	*f = CONTAINER_FILES_INIT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_VOLUME_COPY_H
#define HUSK_SHIM_STORAGE_VOLUME_COPY_H

#include "agent.pb-c.h"
#include "common/async/fiber.h"

/*
 * Volumes of a machine without a shared file system: files, directories and symlinks of the host are
 * copied into the guest, with owners and permission bits. What changes on the host afterwards is not
 * seen in the guest, what is written in the guest stays there.
 *
 * Containers of a pod that name the same source have the same copy. One that only reads it has it copied
 * anew, so that a container that is started again sees what is there then.
 */
#define VOLUME_COPY_BYTES_MAX (32u << 20) /* of one volume: it lies in the guest's memory */
#define VOLUME_COPY_FILES_MAX 4096u       /* files, directories and symlinks of one volume */
#define VOLUME_COPY_DEPTH_MAX 64u         /* directories within each other */
#define VOLUME_COPY_PIECE     (1u << 20)  /* bytes of one message; the agent takes 4 MiB */

/* Agent calls, so that tests can do without one: CopyFile. */
struct volume_copier {
	int (*send)(void *arg, const Grpc__CopyFileRequest *req, struct err *e);
	void *arg;
};

/* What a sandbox has copies of. */
struct volume_copies {
	struct volume_copied *first;
	uint64_t next;    /* number in the next one's name */
	struct cond idle; /* one of them is not being copied any more */
};

#define VOLUME_COPIES_INIT ((struct volume_copies){ .first = NULL })

/*
 * Copy `source`, a file or a directory. *ret_path: where the guest has it, for free(). ERR_EXHAUSTED: it
 * is larger than the limits. ERR_UNSUPPORTED: a name is no UTF-8, which the agent's protocol wants.
 * Errors name the source. Sockets, pipes and devices in it are left out.
 */
int volume_copy(struct volume_copies *t, const struct volume_copier *to, const char *source,
		bool read_only, struct deadline d, char **ret_path, struct err *e) must_check;
void volume_copies_done(struct volume_copies *t);

#endif

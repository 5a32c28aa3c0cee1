/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a container; see bundle.h. */
#include "agent/container/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/mount/remove_tree.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/oci/message_text.h"

#define CONFIG "config.json"

char *bundle_path(const struct container *c)
{
	return path_join(c->sandbox->options->run_dir, c->id);
}

static void undo_bundle(void *arg)
{
	const struct container *c = arg;
	auto_free char *bundle = bundle_path(c);
	auto_free char *config = path_join(bundle, CONFIG);
	struct err e = ERR_INIT;

	/* Mostly all that is in it: nothing is left then for remove_tree() to start threads for. */
	(void)unlink(config);
	(void)rmdir(c->rootfs);
	if (remove_tree(bundle, &e) < 0)
		log_warn("container %s: files stay: %s", c->id, e.text);
}

int bundle_make(struct container *c, struct err *e)
{
	auto_free char *bundle = bundle_path(c);

	c->rootfs = path_join(bundle, "rootfs");
	undo_push(&c->teardown, "bundle", undo_bundle, c);
	return path_mkdirs(bundle, 0755, e);
}

int bundle_write_config(const struct container *c, const Grpc__Spec *spec, struct err *e)
{
	auto_free char *bundle = bundle_path(c);
	auto_close int dir = open(bundle, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_free char *text = NULL;

	if (dir < 0)
		return err_sys(e, errno, "open '%s'", bundle);
	text = oci_spec_message_text(spec);
	if (file_replace(dir, CONFIG, text, strlen(text), e) < 0)
		return err_wrap(e, "bundle '%s'", bundle);
	return 0;
}

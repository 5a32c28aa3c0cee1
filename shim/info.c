/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `-info`: what this runtime is and can do (containerd-shim.md 1.12). containerd's options on standard
 * input are not read.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "config/config.h"
#include "containerd_types.pb-c.h"
#include "proto/any.h"
#include "shim/command.h"

#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

/*
 * Mounts that containerd (2.2 and later) hands over as they are instead of mounting them itself. One
 * entry that is missing makes it mount everything before, so that parts of this have no effect
 * (containerd-shim.md 5.2).
 */
#define ALLOW_MOUNTS     "containerd.io/runtime-allow-mounts"
#define ALLOW_MOUNT_LIST "erofs,format/*,mkdir/*,mkfs/*"

/* The OCI features document (features.md of the runtime specification), for free(). */
static char *features_json(void)
{
	static const char *const mount_options[] = {
		"async",        "atime",       "bind",      "defaults",     "dev",
		"diratime",     "dirsync",     "exec",      "mand",         "noatime",
		"nodev",        "nodiratime",  "noexec",    "nomand",       "norelatime",
		"nosuid",       "nosymfollow", "private",   "ratime",       "rbind",
		"rdev",         "rdiratime",   "relatime",  "rexec",        "rnoatime",
		"rnodev",       "rnodiratime", "rnoexec",   "rnorelatime",  "rnosuid",
		"rnosymfollow", "ro",          "rprivate",  "rrelatime",    "rro",
		"rrw",          "rshared",     "rslave",    "rstrictatime", "rsuid",
		"rsymfollow",   "runbindable", "rw",        "shared",       "slave",
		"strictatime",  "suid",        "symfollow", "sync",         "tmpcopyup",
		"unbindable",   NULL,
	};
	static const char *const namespaces[] = {
		"cgroup", "ipc", "mount", "network", "pid", "uts", NULL,
	};
	auto_free char *linux_json = json_object("v:namespaces", namespaces, NULL);

	return json_object("s:ociVersionMin", "1.0.0", "s:ociVersionMax", "1.2.0", "v:mountOptions",
			   mount_options, "o:linux", linux_json, NULL);
}

/* What the configuration is wrong about is said when a container starts. */
static bool takes_disks(void)
{
	auto_config struct config *config = NULL;
	struct err e = ERR_INIT;

	return config_load(NULL, &config, &e) < 0 || !config->hypervisor.disable_block_device_use;
}

int command_info(struct err *e)
{
	Containerd__Types__RuntimeInfo__AnnotationsEntry allow, *annotations[] = { &allow };
	auto_free char *key = xstrdup(ALLOW_MOUNTS);
	auto_free char *list = xstrdup(ALLOW_MOUNT_LIST);
	auto_free char *features = features_json();
	Containerd__Types__RuntimeVersion version;
	Containerd__Types__RuntimeInfo info;
	auto_free char *name = xstrdup(SHIM_RUNTIME_NAME);
	auto_free char *version_text = xstrdup(HUSK_VERSION);
	auto_free uint8_t *bytes = NULL;
	size_t len;

	containerd__types__runtime_version__init(&version);
	version.version = version_text;
	containerd__types__runtime_info__init(&info);
	info.name = name;
	info.version = &version;
	containerd__types__runtime_info__annotations_entry__init(&allow);
	allow.key = key;
	allow.value = list;
	info.annotations = annotations;
	info.n_annotations = takes_disks() ? 1 : 0;
	info.features = any_new(FEATURES_TYPE, features, strlen(features));

	len = containerd__types__runtime_info__get_packed_size(&info);
	bytes = xmalloc(len);
	(void)containerd__types__runtime_info__pack(&info, bytes);
	google__protobuf__any__free_unpacked(info.features, NULL);
	if (write_all(STDOUT_FILENO, bytes, len) < 0)
		return err_sys(e, errno, "write the answer");
	return 0;
}

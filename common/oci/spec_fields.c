/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for config.json outside of `linux`: OCI runtime specification 1.2, config.md. */
#include "common/oci/fields.h"

/* POSIX and Linux resource limits, getrlimit(2). */
static const char *const rlimit_types[] = {
	"RLIMIT_AS",
	"RLIMIT_CORE",
	"RLIMIT_CPU",
	"RLIMIT_DATA",
	"RLIMIT_FSIZE",
	"RLIMIT_LOCKS",
	"RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",
	"RLIMIT_NOFILE",
	"RLIMIT_NPROC",
	"RLIMIT_RSS",
	"RLIMIT_RTPRIO",
	"RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING",
	"RLIMIT_STACK",
	NULL,
};

static const struct json_field box_fields[] = {
	OCI_ROW(box, height, "height", JSON_U32, .flags = JSON_REQUIRED),
	OCI_ROW(box, width, "width", JSON_U32, .flags = JSON_REQUIRED),
	OCI_END,
};

static const struct json_field user_fields[] = {
	OCI_ROW(user, uid, "uid", JSON_U32, .flags = JSON_REQUIRED),
	OCI_ROW(user, gid, "gid", JSON_U32, .flags = JSON_REQUIRED),
	OCI_NUMBER(user, umask, "umask", JSON_U32),
	OCI_ROW(user, additional_gids, "additionalGids", JSON_U32S,
		.count = OCI_AT(user, n_additional_gids)),
	OCI_STRING(user, username, "username", .flags = 0),
	OCI_END,
};

static const struct json_field capabilities_fields[] = {
	OCI_STRINGS(capabilities, bounding, "bounding", .flags = 0),
	OCI_STRINGS(capabilities, effective, "effective", .flags = 0),
	OCI_STRINGS(capabilities, inheritable, "inheritable", .flags = 0),
	OCI_STRINGS(capabilities, permitted, "permitted", .flags = 0),
	OCI_STRINGS(capabilities, ambient, "ambient", .flags = 0),
	OCI_END,
};

static const struct json_field rlimit_fields[] = {
	OCI_STRING(rlimit, type, "type", .flags = JSON_REQUIRED, .words = rlimit_types),
	OCI_ROW(rlimit, soft, "soft", JSON_U64, .flags = JSON_REQUIRED),
	OCI_ROW(rlimit, hard, "hard", JSON_U64, .flags = JSON_REQUIRED),
	OCI_END,
};

const struct json_field oci_process_fields[] = {
	OCI_BOOL(process, terminal, "terminal", .flags = 0),
	OCI_ROW(process, console_size, "consoleSize", JSON_OBJECT, .fields = box_fields,
		.has = JSON_HAS(OCI_AT(process, has_console_size))),
	OCI_OBJECT(process, user, "user", user_fields),
	OCI_STRINGS(process, args, "args", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_IGNORED("commandLine"),
	OCI_STRINGS(process, env, "env", .flags = 0),
	OCI_STRING(process, cwd, "cwd", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_POINTER(process, capabilities, "capabilities", oci_capabilities, capabilities_fields,
		    .flags = 0),
	OCI_ARRAY(process, rlimits, "rlimits", oci_rlimit, rlimit_fields),
	OCI_BOOL(process, no_new_privileges, "noNewPrivileges", .flags = 0),
	OCI_NUMBER(process, oom_score_adj, "oomScoreAdj", JSON_I64),
	OCI_STRING(process, apparmor_profile, "apparmorProfile", .flags = 0),
	OCI_STRING(process, selinux_label, "selinuxLabel", .flags = 0),
	OCI_IGNORED("scheduler"),
	OCI_IGNORED("ioPriority"),
	OCI_IGNORED("execCPUAffinity"),
	OCI_END,
};

static const struct json_field root_fields[] = {
	OCI_STRING(root, path, "path", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_BOOL(root, readonly, "readonly", .flags = 0),
	OCI_END,
};

const struct json_field oci_id_mapping_fields[] = {
	OCI_ROW(id_mapping, container_id, "containerID", JSON_U32, .flags = JSON_REQUIRED),
	OCI_ROW(id_mapping, host_id, "hostID", JSON_U32, .flags = JSON_REQUIRED),
	OCI_ROW(id_mapping, size, "size", JSON_U32, .flags = JSON_REQUIRED),
	OCI_END,
};

static const struct json_field mount_fields[] = {
	OCI_STRING(mount, destination, "destination", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_STRING(mount, type, "type", .flags = 0),
	OCI_STRING(mount, source, "source", .flags = 0),
	OCI_STRINGS(mount, options, "options", .flags = 0),
	OCI_ARRAY(mount, uid_mappings, "uidMappings", oci_id_mapping, oci_id_mapping_fields),
	OCI_ARRAY(mount, gid_mappings, "gidMappings", oci_id_mapping, oci_id_mapping_fields),
	OCI_END,
};

static const struct json_field hook_fields[] = {
	OCI_STRING(hook, path, "path", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_STRINGS(hook, args, "args", .flags = 0),
	OCI_STRINGS(hook, env, "env", .flags = 0),
	OCI_NUMBER(hook, timeout, "timeout", JSON_I64),
	OCI_END,
};

static const struct json_field hooks_fields[] = {
	OCI_ARRAY(hooks, prestart, "prestart", oci_hook, hook_fields),
	OCI_ARRAY(hooks, create_runtime, "createRuntime", oci_hook, hook_fields),
	OCI_ARRAY(hooks, create_container, "createContainer", oci_hook, hook_fields),
	OCI_ARRAY(hooks, start_container, "startContainer", oci_hook, hook_fields),
	OCI_ARRAY(hooks, poststart, "poststart", oci_hook, hook_fields),
	OCI_ARRAY(hooks, poststop, "poststop", oci_hook, hook_fields),
	OCI_END,
};

const struct json_field oci_spec_fields[] = {
	OCI_STRING(spec, version, "ociVersion", .flags = JSON_REQUIRED),
	OCI_POINTER(spec, process, "process", oci_process, oci_process_fields,
		    .flags = JSON_REQUIRED),
	OCI_POINTER(spec, root, "root", oci_root, root_fields, .flags = JSON_REQUIRED),
	OCI_STRING(spec, hostname, "hostname", .flags = 0),
	OCI_STRING(spec, domainname, "domainname", .flags = 0),
	OCI_ARRAY(spec, mounts, "mounts", oci_mount, mount_fields),
	OCI_OBJECT(spec, hooks, "hooks", hooks_fields),
	OCI_MAP(spec, annotations, "annotations"),
	OCI_OBJECT(spec, linux, "linux", oci_linux_fields),
	OCI_IGNORED("solaris"),
	OCI_IGNORED("windows"),
	OCI_IGNORED("vm"),
	OCI_IGNORED("zos"),
	OCI_END,
};

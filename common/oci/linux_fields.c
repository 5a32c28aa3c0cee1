/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for `linux`: OCI runtime specification 1.2, config-linux.md. Resources: resources_fields.c. */
#include "common/oci/fields.h"

static const char *const namespace_types[] = {
	"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", NULL,
};

static const char *const device_types[] = { "c", "b", "u", "p", NULL };

/* Of rootfs, and as the specification has them for mounts too. */
static const char *const propagations[] = {
	"",       "private", "rprivate",   "slave",       "rslave",
	"shared", "rshared", "unbindable", "runbindable", NULL,
};

static const char *const personalities[] = { "LINUX", "LINUX32", NULL };

/* Without SCMP_ACT_NOTIFY: nobody on the host could serve the guest's listener. */
static const char *const actions[] = {
	"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
	"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_TRACE",        "SCMP_ACT_TRAP",        NULL,
};

static const char *const architectures[] = {
	"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
	"SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",        NULL,
};

static const char *const filter_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};

static const char *const comparisons[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",        "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

static const struct json_field namespace_fields[] = {
	OCI_STRING(namespace, type, "type", .flags = JSON_REQUIRED, .words = namespace_types),
	OCI_STRING(namespace, path, "path", .flags = 0),
	OCI_END,
};

static const struct json_field device_fields[] = {
	OCI_STRING(device, path, "path", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_STRING(device, type, "type", .flags = JSON_REQUIRED, .words = device_types),
	OCI_ROW(device, major, "major", JSON_I64, .flags = 0),
	OCI_ROW(device, minor, "minor", JSON_I64, .flags = 0),
	OCI_NUMBER(device, file_mode, "fileMode", JSON_U32),
	OCI_NUMBER(device, uid, "uid", JSON_U32),
	OCI_NUMBER(device, gid, "gid", JSON_U32),
	OCI_END,
};

static const struct json_field seccomp_arg_fields[] = {
	OCI_ROW(seccomp_arg, index, "index", JSON_U32, .flags = JSON_REQUIRED),
	OCI_ROW(seccomp_arg, value, "value", JSON_U64, .flags = JSON_REQUIRED),
	OCI_ROW(seccomp_arg, value_two, "valueTwo", JSON_U64, .flags = 0),
	OCI_STRING(seccomp_arg, op, "op", .flags = JSON_REQUIRED, .words = comparisons),
	OCI_END,
};

static const struct json_field syscall_fields[] = {
	OCI_STRINGS(syscall, names, "names", .flags = JSON_REQUIRED | JSON_NONEMPTY),
	OCI_STRING(syscall, action, "action", .flags = JSON_REQUIRED, .words = actions),
	OCI_NUMBER(syscall, errno_ret, "errnoRet", JSON_U32),
	OCI_ARRAY(syscall, args, "args", oci_seccomp_arg, seccomp_arg_fields),
	OCI_END,
};

static const struct json_field seccomp_fields[] = {
	OCI_STRING(seccomp, default_action, "defaultAction", .flags = JSON_REQUIRED,
		   .words = actions),
	OCI_NUMBER(seccomp, default_errno_ret, "defaultErrnoRet", JSON_U32),
	OCI_STRINGS(seccomp, architectures, "architectures", .words = architectures),
	OCI_STRINGS(seccomp, flags, "flags", .words = filter_flags),
	OCI_REFUSED("listenerPath"),
	OCI_REFUSED("listenerMetadata"),
	OCI_ARRAY(seccomp, syscalls, "syscalls", oci_syscall, syscall_fields),
	OCI_END,
};

static const struct json_field personality_fields[] = {
	OCI_STRING(personality, domain, "domain", .flags = JSON_REQUIRED, .words = personalities),
	OCI_REFUSED("flags"),
	OCI_END,
};

const struct json_field oci_linux_fields[] = {
	OCI_ARRAY(linux, uid_mappings, "uidMappings", oci_id_mapping, oci_id_mapping_fields),
	OCI_ARRAY(linux, gid_mappings, "gidMappings", oci_id_mapping, oci_id_mapping_fields),
	OCI_MAP(linux, sysctl, "sysctl"),
	OCI_POINTER(linux, resources, "resources", oci_resources, oci_resources_fields, .flags = 0),
	OCI_STRING(linux, cgroups_path, "cgroupsPath", .flags = 0),
	OCI_ARRAY(linux, namespaces, "namespaces", oci_namespace, namespace_fields),
	OCI_ARRAY(linux, devices, "devices", oci_device, device_fields),
	OCI_POINTER(linux, seccomp, "seccomp", oci_seccomp, seccomp_fields, .flags = 0),
	OCI_STRING(linux, rootfs_propagation, "rootfsPropagation", .words = propagations),
	OCI_STRINGS(linux, masked_paths, "maskedPaths", .flags = 0),
	OCI_STRINGS(linux, readonly_paths, "readonlyPaths", .flags = 0),
	OCI_STRING(linux, mount_label, "mountLabel", .flags = 0),
	OCI_POINTER(linux, personality, "personality", oci_personality, personality_fields,
		    .flags = 0),
	OCI_REFUSED("timeOffsets"),
	OCI_IGNORED("intelRdt"),
	OCI_END,
};

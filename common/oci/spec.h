/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_SPEC_H
#define HUSK_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/json/json.h"

/*
 * config.json of an OCI bundle (OCI runtime specification 1.2, config.md and config-linux.md), as
 * far as Linux containers use it. Names follow the specification's, in our spelling.
 *
 * Absent strings, string arrays and pointers are NULL, absent arrays have n_… 0; numbers for which
 * absent and 0 differ have a has_… beside them. Nothing in here is a host path that was checked:
 * it is what the client wrote.
 *
 * What has the wrong type, an unknown word or asks for something husk has not got is refused with
 * its place in the text ("linux.namespaces[2].type: …"). What husk knows and has no use for
 * (commandLine, scheduler, ioPriority, intelRdt, solaris, windows, vm, zos) is ignored, and so is what
 * it does not know, as the specification demands.
 */

struct oci_box {
	uint32_t height, width; /* characters */
};

struct oci_user {
	uint32_t uid, gid;
	bool has_umask;
	uint32_t umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	char *username; /* Windows' by the specification; carried along */
};

struct oci_capabilities {
	char **bounding, **effective, **inheritable, **permitted, **ambient; /* "CAP_…" */
};

struct oci_rlimit {
	char *type; /* "RLIMIT_…", known and there once */
	uint64_t soft, hard;
};

struct oci_process {
	bool terminal;
	bool has_console_size;
	struct oci_box console_size;
	struct oci_user user;
	char **args; /* at least one */
	char **env;
	char *cwd; /* absolute */
	struct oci_capabilities *capabilities;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int64_t oom_score_adj; /* -1000 to 1000 */
	char *apparmor_profile, *selinux_label;
};

struct oci_root {
	char *path; /* absolute, or relative to the bundle */
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination; /* absolute */
	char *type, *source;
	char **options;
	struct oci_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
};

struct oci_hook {
	char *path; /* absolute */
	char **args, **env;
	bool has_timeout;
	int64_t timeout; /* seconds, at least 1 */
};

struct oci_hooks {
	struct oci_hook *prestart, *create_runtime, *create_container, *start_container, *poststart,
		*poststop;
	size_t n_prestart, n_create_runtime, n_create_container, n_start_container, n_poststart,
		n_poststop;
};

struct oci_namespace {
	char *type; /* pid, network, mount, ipc, uts, user, cgroup or time, each once at most */
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path; /* absolute, in the container */
	char *type; /* "c", "b", "u" or "p" */
	int64_t major, minor;
	bool has_file_mode, has_uid, has_gid;
	uint32_t file_mode, uid, gid;
};

struct oci_device_rule {
	bool allow;
	char *type;                /* "a", "c" or "b"; NULL: all */
	bool has_major, has_minor; /* absent: all */
	int64_t major, minor;
	char *access; /* of "rwm"; NULL: all */
};

struct oci_memory {
	bool has_limit, has_reservation, has_swap, has_kernel, has_kernel_tcp, has_swappiness;
	int64_t limit, reservation, swap, kernel, kernel_tcp; /* bytes, -1: no limit */
	uint64_t swappiness;
	bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	bool has_shares, has_quota, has_burst, has_period, has_realtime_runtime,
		has_realtime_period, has_idle;
	uint64_t shares;
	int64_t quota; /* microseconds of each period, -1: no limit */
	uint64_t burst, period;
	int64_t realtime_runtime;
	uint64_t realtime_period;
	int64_t idle;      /* 0 or 1: cgroup v2's cpu.idle */
	char *cpus, *mems; /* "0-3,7" */
};

struct oci_weight_device {
	int64_t major, minor;
	bool has_weight, has_leaf_weight;
	uint32_t weight, leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate; /* bytes or operations per second */
};

struct oci_block_io {
	bool has_weight, has_leaf_weight;
	uint32_t weight, leaf_weight;
	struct oci_weight_device *weight_devices;
	struct oci_throttle_device *read_bps, *write_bps, *read_iops, *write_iops;
	size_t n_weight_devices, n_read_bps, n_write_bps, n_read_iops, n_write_iops;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;  /* bytes */
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	bool has_class_id;
	uint32_t class_id;
	struct oci_interface_priority *priorities;
	size_t n_priorities;
};

struct oci_resources {
	struct oci_device_rule *devices;
	size_t n_devices;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	bool has_pids_limit;
	int64_t pids_limit; /* 0 or -1: no limit */
	struct oci_block_io *block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct oci_network *network;
	struct json_map unified; /* file of cgroup v2, text to write */
};

struct oci_seccomp_arg {
	uint32_t index; /* 0 to 5 */
	uint64_t value, value_two;
	char *op; /* "SCMP_CMP_…" */
};

struct oci_syscall {
	char **names; /* at least one */
	char *action; /* "SCMP_ACT_…" */
	bool has_errno_ret;
	uint32_t errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	char *default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	char **architectures; /* "SCMP_ARCH_…" */
	char **flags;         /* "SECCOMP_FILTER_FLAG_…" */
	struct oci_syscall *syscalls;
	size_t n_syscalls;
};

struct oci_personality {
	char *domain; /* "LINUX" or "LINUX32" */
};

struct oci_linux {
	struct oci_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
	struct json_map sysctl;
	struct oci_resources *resources;
	char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t n_namespaces;
	struct oci_device *devices;
	size_t n_devices;
	struct oci_seccomp *seccomp;
	char *rootfs_propagation; /* "private", "rslave" and so on; NULL: the agent's default */
	char **masked_paths, **readonly_paths;
	char *mount_label;
	struct oci_personality *personality;
};

struct oci_spec {
	char *version; /* "1.…" */
	struct oci_process *process;
	struct oci_root *root;
	char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks;
	struct json_map annotations;
	struct oci_linux linux;
};

/*
 * Parse a text; the result is for the free function beside it (NULL is fine there). On failure *ret
 * is untouched and the error names the place.
 */
int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *e) must_check;
void oci_spec_free(struct oci_spec *s);

/* "config.json" (or what `path` says) below dirfd: read and parse. Errors begin with the path. */
int oci_spec_load(int dirfd, const char *path, struct oci_spec **ret, struct err *e) must_check;

/* The value of containerd's Exec: a process alone. Errors begin with "process". */
int oci_process_parse(const char *text, size_t len, struct oci_process **ret, struct err *e)
	must_check;
void oci_process_free(struct oci_process *p);

/* The value of containerd's Update: resources alone. Errors begin with "resources". */
int oci_resources_parse(const char *text, size_t len, struct oci_resources **ret, struct err *e)
	must_check;
void oci_resources_free(struct oci_resources *r);

/* The first namespace entry of that type ("pid"), NULL if there is none. */
const struct oci_namespace *oci_find_namespace(const struct oci_spec *s, const char *type);

/* The value of an annotation, NULL if it is not there. */
const char *oci_annotation(const struct oci_spec *s, const char *key);

static inline void oci_spec_free_slot(struct oci_spec **s)
{
	oci_spec_free(*s);
}
#define auto_oci_spec CLEANUP(oci_spec_free_slot)

static inline void oci_process_free_slot(struct oci_process **p)
{
	oci_process_free(*p);
}
#define auto_oci_process CLEANUP(oci_process_free_slot)

static inline void oci_resources_free_slot(struct oci_resources **r)
{
	oci_resources_free(*r);
}
#define auto_oci_resources CLEANUP(oci_resources_free_slot)

#endif

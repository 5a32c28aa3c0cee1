/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_H
#define HUSK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The whole configuration as one checked struct. Section and key names in the files are Kata's
 * where husk has the same thing; husk-configuration.toml(5) lists them, config/table.c is the list
 * the code goes by. Strings are owned by the struct and never NULL ("" is unset); string lists are
 * NULL-terminated and may be NULL.
 */

enum config_accel {
	CONFIG_ACCEL_AUTO,
	CONFIG_ACCEL_KVM,
	CONFIG_ACCEL_TCG
};
enum config_transport {
	CONFIG_TRANSPORT_AUTO,
	CONFIG_TRANSPORT_VSOCK,
	CONFIG_TRANSPORT_HVSOCK, /* "hybrid-vsock": QEMU through vhost-device-vsock */
	CONFIG_TRANSPORT_SERIAL, /* "serial" */
};

/* [hypervisor.qemu]; other drivers have a table of the same keys under their own name */
struct config_hypervisor {
	char *path;            /* of the VMM */
	char *kernel, *initrd; /* "": those of the installed guest image (see guest_dir) */
	char *kernel_params;   /* appended last, so they win */
	char *machine_type;    /* "q35" */
	char *machine_accelerators, *cpu_features;
	enum config_accel accel; /* "auto", "kvm", "tcg" */
	enum config_transport transport;
	char *vsock_daemon; /* path of vhost-device-vsock, "" = look in PATH and libexec places */
	uint32_t default_vcpus, default_maxvcpus; /* of the latter, 0: as many as the host has */
	uint32_t default_memory_mib;              /* key default_memory */
	uint32_t default_maxmemory_mib;           /* key default_maxmemory; 0: the host's */
	uint32_t memory_slots;                    /* how often a running VM can be given more */
	uint32_t overhead_vcpus;                  /* thousandths */
	uint32_t overhead_memory_mib;             /* key overhead_memory */
	char *shared_fs;                          /* "virtio-fs" or "none" */
	bool disable_block_device_use;            /* what is on disks is shared as well */
	char *virtio_fs_daemon;
	char *virtio_fs_cache; /* "never", "metadata", "auto", "always" */
	uint32_t virtio_fs_queue_size;
	bool virtio_fs_upper_layers; /* the guest may set overlayfs' attributes in the share */
	char **virtio_fs_extra_args; /* appended to the daemon's own arguments */
	char *block_device_driver;   /* "virtio-blk" or "virtio-scsi" */
	char *block_device_aio;      /* "threads", "native", "io_uring" */
	bool block_device_cache_direct, block_device_cache_noflush;
	uint32_t queue_size, num_queues; /* of a virtio-blk disk */
	char *entropy_source;
	char *seccompsandbox;    /* QEMU's -sandbox argument; "" = none */
	bool enable_debug;       /* guest console and VMM stderr in the log */
	uint32_t network_queues; /* pairs of each NIC */
	bool disable_vhost_net;
	char *passt; /* path of the user-mode network's daemon; "" or not there: QEMU itself */
	char *user;  /* run VMM and helpers as this user; "" = root without capabilities */
	char **enable_annotations; /* what a pod may set: annotations.h */
	char **valid_hypervisor_paths, **valid_virtio_fs_daemon_paths, **valid_entropy_sources;
};

/* [agent.kata], also accepted as [agent.husk] */
struct config_agent {
	bool enable_debug, debug_console_enabled;
	uint32_t dial_timeout_s; /* VMM started to agent answering */
	uint32_t create_container_timeout_s;
	uint32_t container_pipe_size; /* bytes; 0: the agent's choice */
	uint32_t request_timeout_s;   /* every other call */
};

/* [runtime] */
struct config_runtime {
	bool enable_debug;
	char *hypervisor_name;       /* "qemu"; which [hypervisor.X] table counts */
	char *internetworking_model; /* "tcfilter", "macvtap", "user", "none" */
	char **published_ports;      /* with "user": "[ADDRESS:]PORT:GUEST_PORT[/udp]" */
	char *dan_conf;              /* directory of directly attached networks; "": none */
	bool disable_guest_seccomp;
	bool sandbox_cgroup_only;
	bool static_sandbox_resource_mgmt; /* a VM of its pod's size, or one that grows: sizing.h */
	char *kubelet_root_dir;            /* "/var/lib/kubelet" */
	bool disable_guest_empty_dir;      /* those on disk are shared from the host */
	char *state_dir;                   /* "/run/husk" */
	char *guest_dir;                   /* where guest images are installed */
	char *guest_image; /* the one to use below guest_dir: "default", a symlink, or a name */
};

struct config {
	struct config_hypervisor hypervisor; /* of the driver that runtime.hypervisor_name names */
	struct config_agent agent;
	struct config_runtime runtime;
	struct config_origins *origins; /* where each value came from, for `huskctl config` */
};

/*
 * Which file: `path` (from the runtime options' ConfigPath) if not NULL or empty, else the
 * environment's HUSK_CONF_FILE, else /etc/husk/configuration.toml, else the installed defaults in
 * $(datadir)/husk, else built-in defaults alone. A file that path or environment name must exist.
 * Then config.d beside it (where its symlinks lead), *.toml in name order; then, where neither path
 * nor environment chose the file, /etc/husk/config.d likewise. What comes later wins, key by key.
 *
 * Unknown keys are warnings (logged with file and line); keys of Kata's that husk does not have are
 * one line a file at Info, unless their value says "off" anyway. Wrong types, values out of range
 * and syntax errors are errors that name file, line and key. Blocks: a few small files are read.
 */
int config_load(const char *path, struct config **ret, struct err *e) must_check;
void config_free(struct config *c);

static inline void config_free_slot(struct config **c)
{
	config_free(*c);
}
#define auto_config CLEANUP(config_free_slot)

/*
 * What to boot: the configured kernel and initrd, or vmlinux and initrd.img of the guest image,
 * <guest_dir>/<guest_image>/. Paths for free(); whether the files are there is not looked at.
 */
char *config_guest_kernel(const struct config *c) must_check;
char *config_guest_initrd(const struct config *c) must_check;

/* As a person reads it: every key, its value, and where the value came from. For `huskctl config`. */
char *config_describe(const struct config *c) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The list of configuration keys; see table.h. Names and meanings are Kata's unless marked. */
#include "config/table.h"

#include <string.h>

static const char *const accel_words[] = { "auto", "kvm", "tcg", NULL };
static const char *const transport_words[] = { "auto", "vsock", "hybrid-vsock", "serial", NULL };
static const char *const shared_fs_words[] = { "virtio-fs", "none", NULL };
static const char *const cache_words[] = { "never", "metadata", "auto", "always", NULL };
static const char *const disk_words[] = { "virtio-blk", "virtio-scsi", NULL };
static const char *const kata_disk_words[] = { "virtio-blk-pci",
					       "virtio-blk-ccw",
					       "virtio-blk-mmio",
					       "virtio-mmio",
					       "virtio-pmem",
					       "nvdimm",
					       NULL };
static const char *const aio_words[] = { "threads", "native", "io_uring", NULL };
static const char *const network_words[] = { "tcfilter", "macvtap", "user", "none", NULL };
static const char *const kata_network_words[] = { "l3forwarding", NULL };

#define AT(member)          offsetof(struct config, member)
#define STRING(text)        .kind = CONFIG_STRING, .built_in = (text)
#define BOOL(text)          .kind = CONFIG_BOOL, .built_in = (text)
#define NUMBER(text, a, b)  .kind = CONFIG_NUMBER, .built_in = (text), .min = (a), .max = (b)
#define DECIMAL(text, a, b) .kind = CONFIG_DECIMAL, .built_in = (text), .min = (a), .max = (b)
#define CHOICE(text, list)  .kind = CONFIG_CHOICE, .built_in = (text), .words = (list)
#define WORD(text, list)    STRING(text), .check = CONFIG_WORD, .words = (list)

const struct config_key config_keys[] = {
	{ "hypervisor", "path", .kind = CONFIG_PROGRAM, .check = CONFIG_PATH,
	  .built_in = "/usr/bin/qemu-system-x86_64", .offset = AT(hypervisor.path),
	  .valid = "valid_hypervisor_paths", .doc = "The virtual machine monitor." },
	{ "hypervisor", "kernel", STRING(""), .check = CONFIG_PATH_OR_EMPTY,
	  .offset = AT(hypervisor.kernel),
	  .doc = "Guest kernel, set together with initrd; empty: that of the guest image." },
	{ "hypervisor", "initrd", STRING(""), .check = CONFIG_PATH_OR_EMPTY,
	  .offset = AT(hypervisor.initrd),
	  .doc = "Guest initrd, set together with kernel; empty: that of the guest image." },
	{ "hypervisor", "kernel_params", STRING(""), .offset = AT(hypervisor.kernel_params),
	  .doc = "Added at the end of the guest's kernel command line, so that it wins." },
	{ "hypervisor", "machine_type", STRING("q35"), .offset = AT(hypervisor.machine_type),
	  .doc = "QEMU's machine." },
	{ "hypervisor", "machine_accelerators", STRING(""),
	  .offset = AT(hypervisor.machine_accelerators),
	  .doc = "More options for QEMU's -machine, separated by commas." },
	{ "hypervisor", "cpu_features", STRING(""), .offset = AT(hypervisor.cpu_features),
	  .doc = "More options for QEMU's -cpu, separated by commas." },
	{ "hypervisor", "accel", CHOICE("auto", accel_words), .offset = AT(hypervisor.accel),
	  .doc = "auto, kvm or tcg; auto takes KVM where the hardware is behind it." },
	{ "hypervisor", "transport", CHOICE("auto", transport_words),
	  .offset = AT(hypervisor.transport),
	  .doc = "To the agent: auto, vsock, hybrid-vsock or serial; auto tries in that order." },
	{ "hypervisor", "vsock_daemon", STRING(""), .check = CONFIG_PATH_OR_EMPTY,
	  .offset = AT(hypervisor.vsock_daemon),
	  .doc = "vhost-device-vsock, for hybrid-vsock; empty: looked for." },
	{ "hypervisor", "default_vcpus", NUMBER("1", 1, 256),
	  .offset = AT(hypervisor.default_vcpus), .doc = "CPUs of a guest at boot." },
	{ "hypervisor", "default_maxvcpus", NUMBER("0", 0, 256),
	  .offset = AT(hypervisor.default_maxvcpus),
	  .doc = "Most CPUs a guest may come to have; 0: as many as the host has." },
	/* Guest memory is shared memory that the host provides as the guest touches it, so a
	 * generous size costs little; 512 leaves room for a workload beside kernel and initrd. */
	{ "hypervisor", "default_memory", NUMBER("512", 64, 16u << 20),
	  .offset = AT(hypervisor.default_memory_mib), .doc = "Memory of a guest, in MiB." },
	{ "hypervisor", "default_maxmemory", NUMBER("0", 0, 16u << 20),
	  .offset = AT(hypervisor.default_maxmemory_mib),
	  .doc = "Most memory a guest that grows may come to have, in MiB; 0: the host's." },
	{ "hypervisor", "memory_slots", NUMBER("10", 0, 255), .offset = AT(hypervisor.memory_slots),
	  .doc = "How often a guest that grows can be given more memory." },
	{ "hypervisor", "overhead_vcpus", DECIMAL("0.2", 0, 256),
	  .offset = AT(hypervisor.overhead_vcpus),
	  .doc = "CPUs added to those that a pod asks for." },
	{ "hypervisor", "overhead_memory", NUMBER("96", 0, 16u << 20),
	  .offset = AT(hypervisor.overhead_memory_mib),
	  .doc = "Memory added to what a pod asks for, for kernel and agent, in MiB." },
	{ "hypervisor", "shared_fs", WORD("virtio-fs", shared_fs_words),
	  .offset = AT(hypervisor.shared_fs),
	  .doc = "How host directories reach the guest: virtio-fs, or none." },
	{ "hypervisor", "disable_block_device_use", BOOL("false"),
	  .offset = AT(hypervisor.disable_block_device_use),
	  .doc = "Mount file systems on disks and images on the host and share them." },
	{ "hypervisor", "virtio_fs_daemon", .kind = CONFIG_PROGRAM, .check = CONFIG_PATH,
	  .built_in = "/usr/libexec/virtiofsd:/usr/lib/qemu/virtiofsd",
	  .offset = AT(hypervisor.virtio_fs_daemon), .valid = "valid_virtio_fs_daemon_paths",
	  .doc = "virtiofsd; unset: /usr/libexec/virtiofsd or, without it, /usr/lib/qemu/virtiofsd." },
	{ "hypervisor", "virtio_fs_cache", WORD("auto", cache_words),
	  .offset = AT(hypervisor.virtio_fs_cache),
	  .doc = "What the guest may keep of shared files: never, metadata, auto or always." },
	{ "hypervisor", "virtio_fs_queue_size", NUMBER("1024", 16, 1024),
	  .check = CONFIG_POWER_OF_TWO, .offset = AT(hypervisor.virtio_fs_queue_size),
	  .doc = "Requests that may be under way in a share, a power of two." },
	{ "hypervisor", "virtio_fs_extra_args", .kind = CONFIG_LIST,
	  .offset = AT(hypervisor.virtio_fs_extra_args), .doc = "More arguments for virtiofsd." },
	{ "hypervisor", "virtio_fs_upper_layers", BOOL("false"), .host_only = true,
	  .offset = AT(hypervisor.virtio_fs_upper_layers),
	  .doc = "Let a directory of the host be the upper layer of disks; virtiofsd keeps CAP_SYS_ADMIN." },
	{ "hypervisor", "block_device_driver", WORD("virtio-blk", disk_words),
	  .ignored_words = kata_disk_words, .offset = AT(hypervisor.block_device_driver),
	  .doc = "What disks of a running guest are: virtio-blk or virtio-scsi." },
	{ "hypervisor", "block_device_aio", WORD("threads", aio_words),
	  .offset = AT(hypervisor.block_device_aio),
	  .doc = "How QEMU reads and writes disks: threads, native or io_uring." },
	{ "hypervisor", "block_device_cache_direct", BOOL("false"),
	  .offset = AT(hypervisor.block_device_cache_direct),
	  .doc = "Disks bypass the host's page cache." },
	{ "hypervisor", "block_device_cache_noflush", BOOL("false"),
	  .offset = AT(hypervisor.block_device_cache_noflush),
	  .doc = "Ignore what guests ask for to be written to disks at once." },
	{ "hypervisor", "queue_size", NUMBER("128", 16, 1024), .check = CONFIG_POWER_OF_TWO,
	  .offset = AT(hypervisor.queue_size),
	  .doc = "Requests that may be under way in a queue of a virtio-blk disk, a power of two." },
	{ "hypervisor", "num_queues", NUMBER("1", 1, 256), .offset = AT(hypervisor.num_queues),
	  .doc = "Queues of a virtio-blk disk." },
	{ "hypervisor", "entropy_source", STRING("/dev/urandom"), .check = CONFIG_PATH,
	  .offset = AT(hypervisor.entropy_source), .valid = "valid_entropy_sources",
	  .doc = "What feeds the guest's random number generator." },
	{ "hypervisor", "seccompsandbox",
	  STRING("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
	  .offset = AT(hypervisor.seccompsandbox), .host_only = true,
	  .doc = "QEMU's -sandbox; empty: none." },
	{ "hypervisor", "network_queues", NUMBER("1", 1, 16),
	  .offset = AT(hypervisor.network_queues),
	  .doc = "Queue pairs of each of the guest's network interfaces." },
	{ "hypervisor", "disable_vhost_net", BOOL("false"),
	  .offset = AT(hypervisor.disable_vhost_net),
	  .doc = "QEMU moves network frames itself, also where the host has /dev/vhost-net." },
	{ "hypervisor", "passt", .kind = CONFIG_PROGRAM, .check = CONFIG_PATH_OR_EMPTY,
	  .built_in = "/usr/bin/passt", .offset = AT(hypervisor.passt), .host_only = true,
	  .doc = "What internetworking_model = user works with; not there or empty: QEMU itself." },
	{ "hypervisor", "enable_debug", BOOL("false"), .offset = AT(hypervisor.enable_debug),
	  .doc = "The guest's console and the monitor's messages in the log." },
	{ "hypervisor", "user", STRING(""), .offset = AT(hypervisor.user), .host_only = true,
	  .doc = "Run monitor and helpers as this user; empty: root without capabilities." },
	{ "hypervisor", "enable_annotations", .kind = CONFIG_LIST, .host_only = true,
	  .offset = AT(hypervisor.enable_annotations),
	  .doc = "Keys that a pod's annotations may set: regular expressions for whole names." },
	{ "hypervisor", "valid_hypervisor_paths", .kind = CONFIG_LIST, .host_only = true,
	  .offset = AT(hypervisor.valid_hypervisor_paths),
	  .doc = "Patterns of the paths that a pod may name as its monitor." },
	{ "hypervisor", "valid_virtio_fs_daemon_paths", .kind = CONFIG_LIST, .host_only = true,
	  .offset = AT(hypervisor.valid_virtio_fs_daemon_paths),
	  .doc = "Patterns of the paths that a pod may name as its virtiofsd." },
	{ "hypervisor", "valid_entropy_sources", .kind = CONFIG_LIST, .host_only = true,
	  .offset = AT(hypervisor.valid_entropy_sources),
	  .doc = "Patterns of the paths that a pod may name as its entropy source." },

	{ "agent", "enable_debug", BOOL("false"), .offset = AT(agent.enable_debug),
	  .doc = "The agent logs what it does." },
	{ "agent", "debug_console_enabled", BOOL("false"),
	  .offset = AT(agent.debug_console_enabled),
	  .doc = "A shell in the guest without authentication, for huskctl console." },
	{ "agent", "dial_timeout", NUMBER("30", 1, 3600), .offset = AT(agent.dial_timeout_s),
	  .doc = "Seconds from the start of the monitor until the agent answers." },
	{ "agent", "create_container_timeout", NUMBER("60", 1, 86400),
	  .offset = AT(agent.create_container_timeout_s),
	  .doc = "Seconds the agent may take to create a container." },
	{ "agent", "container_pipe_size", NUMBER("0", 0, 1u << 20),
	  .offset = AT(agent.container_pipe_size),
	  .doc = "Bytes of the pipes that take a container's output; 0: the agent's choice." },
	{ "agent", "request_timeout", NUMBER("60", 1, 86400), .offset = AT(agent.request_timeout_s),
	  .doc = "Seconds for every other call to the agent." },

	{ "runtime", "enable_debug", BOOL("false"), .offset = AT(runtime.enable_debug),
	  .doc = "The shim logs what it does." },
	{ "runtime", "hypervisor_name", STRING("qemu"), .check = CONFIG_NAME,
	  .offset = AT(runtime.hypervisor_name), .host_only = true,
	  .doc = "Which [hypervisor.NAME] counts." },
	{ "runtime", "internetworking_model", WORD("tcfilter", network_words),
	  .ignored_words = kata_network_words, .offset = AT(runtime.internetworking_model),
	  .doc = "How a pod's network reaches the guest: tcfilter, macvtap, user, or none." },
	{ "runtime", "published_ports", .kind = CONFIG_LIST, .offset = AT(runtime.published_ports),
	  .doc = "With user: ports of the host that lead to the guest, [ADDRESS:]PORT:PORT[/udp]." },
	{ "runtime", "dan_conf", STRING(""), .check = CONFIG_PATH_OR_EMPTY, .host_only = true,
	  .offset = AT(runtime.dan_conf),
	  .doc = "Directory with a file for each sandbox whose taps somebody else has wired." },
	{ "runtime", "disable_guest_seccomp", BOOL("false"),
	  .offset = AT(runtime.disable_guest_seccomp),
	  .doc = "Leave a container's seccomp profile out in the guest." },
	{ "runtime", "sandbox_cgroup_only", BOOL("true"), .offset = AT(runtime.sandbox_cgroup_only),
	  .doc = "All of a pod's processes on the host in the pod's cgroup." },
	{ "runtime", "static_sandbox_resource_mgmt", BOOL("true"),
	  .offset = AT(runtime.static_sandbox_resource_mgmt),
	  .doc = "Size a VM by its pod's limits at boot; else it grows with its containers." },
	{ "runtime", "kubelet_root_dir", STRING("/var/lib/kubelet"), .check = CONFIG_PATH,
	  .offset = AT(runtime.kubelet_root_dir), .host_only = true,
	  .doc = "The kubelet's --root-dir, by which emptyDir volumes are known." },
	{ "runtime", "disable_guest_empty_dir", BOOL("true"),
	  .offset = AT(runtime.disable_guest_empty_dir),
	  .doc = "emptyDir volumes on disk are shared from the host; else they are the guest's." },
	{ "runtime", "state_dir", STRING("/run/husk"), .check = CONFIG_PATH,
	  .offset = AT(runtime.state_dir), .host_only = true,
	  .doc = "State of the sandboxes, on a tmpfs." },
	{ "runtime", "guest_dir", STRING(HUSK_DATADIR "/guest"), .check = CONFIG_PATH,
	  .offset = AT(runtime.guest_dir), .host_only = true,
	  .doc = "Where guest images are installed." },
	{ "runtime", "guest_image", STRING("default"), .check = CONFIG_NAME,
	  .offset = AT(runtime.guest_image),
	  .doc = "The guest image to use: a directory below guest_dir." },
};
const size_t config_n_keys = ARRAY_LEN(config_keys);

/* The Go and the Rust runtime of Kata do not agree on every name. */
static const struct {
	const char *section, *name;
	const char *own_section, *own_name;
} aliases[] = {
	{ "runtime", "create_container_timeout", "agent", "create_container_timeout" },
	{ "hypervisor", "seccomp_sandbox", "hypervisor", "seccompsandbox" },
};

/* Keys of Kata 4.1 that husk knows of and does not have, blank-separated. */
static const struct {
	const char *section, *names;
} ignored[] = {
	{ "hypervisor",
	  "image rootfs_type vm_rootfs_driver disable_image_nvdimm "
	  "kernel_verity_params firmware firmware_volume pflashes "
	  "memory_offset enable_virtio_mem enable_mem_prealloc "
	  "enable_hugepages hugepage_type reclaim_guest_freed_memory enable_numa numa_mapping "
	  "default_bridges pcie_root_port pcie_switch_port cold_plug_vfio hot_plug_vfio "
	  "enable_iommu enable_iommu_platform virtio_fs_cache_size "
	  "msize_9p block_device_cache_set "
	  "block_device_logical_sector_size block_device_physical_sector_size "
	  "enable_iothreads indep_iothreads "
	  "rx_rate_limiter_max_rate tx_rate_limiter_max_rate net_rate_limiter_bw_max_rate "
	  "net_rate_limiter_bw_one_time_burst net_rate_limiter_ops_max_rate "
	  "net_rate_limiter_ops_one_time_burst disk_rate_limiter_bw_max_rate "
	  "disk_rate_limiter_bw_one_time_burst disk_rate_limiter_ops_max_rate "
	  "disk_rate_limiter_ops_one_time_burst enable_vhost_user_store vhost_user_store_path "
	  "valid_vhost_user_store_paths vhost_user_reconnect_timeout_sec "
	  "rootless disable_selinux disable_guest_selinux enable_guest_swap guest_swap_path "
	  "guest_swap_size_percent guest_swap_create_threshold_secs guest_hook_path "
	  "guest_memory_dump_path guest_memory_dump_paging log_level extra_monitor_socket "
	  "use_legacy_serial disable_nesting_checks guest_extension_images "
	  "confidential_guest sev_snp_guest snp_id_block snp_id_auth snp_guest_policy "
	  "tdx_quote_generation_service_socket_port measurement_algo initdata disable_seccomp "
	  "hypervisor_loglevel disable_nested_virtualization ctlpath jailer_path "
	  "valid_jailer_paths valid_ctlpaths factory rootless_user" },
	{ "agent", "enable_tracing kernel_modules dial_timeout_ms reconnect_timeout_ms "
		   "cdh_api_timeout cdh_api_timeout_ms launch_process_timeout visible_cdi_devices "
		   "health_check_request_timeout_ms log_level server_port log_port "
		   "debug_console_port passfd_listener_port mem_agent policy" },
	{ "runtime", "name agent_name log_level disable_new_netns "
		     "sandbox_bind_mounts vfio_mode emptydir_mode "
		     "enable_vcpus_pinning enable_tracing jaeger_endpoint jaeger_user "
		     "jaeger_password enable_pprof experimental "
		     "pod_resource_api_sock keep_abnormal use_passfd_io shared_mounts "
		     "passfd_listener_port guest_selinux_label" },
	{ "", "factory" },
};

const struct config_key *config_key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		if (strcmp(section, aliases[i].section) == 0 &&
		    strcmp(name, aliases[i].name) == 0) {
			section = aliases[i].own_section;
			name = aliases[i].own_name;
			break;
		}
	}
	for (size_t i = 0; i < config_n_keys; i++)
		if (strcmp(section, config_keys[i].section) == 0 &&
		    strcmp(name, config_keys[i].name) == 0)
			return &config_keys[i];
	return NULL;
}

bool config_key_is_ignored(const char *section, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
		const char *p = ignored[i].names;

		if (strcmp(section, ignored[i].section) != 0)
			continue;
		for (; *p; p += strspn(p, " ")) {
			size_t word = strcspn(p, " ");

			if (word == len && memcmp(p, name, len) == 0)
				return true;
			p += word;
		}
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line; see args.h. One function for each part of the machine.
 *
 * What is not asked for is not there: -nodefaults, no firmware menu, no VGA, no USB, no SATA. The
 * kernel is an ELF file with a PVH entry, which QEMU starts without a boot loader.
 */
#include "hypervisor/qemu/args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/net/transport.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/qemu/slots.h"

static void add(char ***args, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One option, with its value unless fmt is NULL. */
static void add(char ***args, const char *option, const char *fmt, ...)
{
	auto_free char *value = NULL;
	va_list ap;

	strv_add(args, option);
	if (!fmt)
		return;
	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	strv_add(args, value);
}

/* In a list of suboptions a comma is written twice (QEMU, "-drive file=a,,b"). For free(). */
static char *escape_commas(const char *value)
{
	char *ret = xmalloc(2 * strlen(value) + 1), *out = ret;

	for (; *value != '\0'; value++) {
		*out++ = *value;
		if (*value == ',')
			*out++ = ',';
	}
	*out = '\0';
	return ret;
}

bool qemu_memory_shared(const struct qemu_choices *q)
{
	for (size_t i = 0; i < q->n_nics; i++)
		if (q->nics[i].kind == HV_NIC_VHOST_USER)
			return true;
	return q->share || q->transport == CONFIG_TRANSPORT_HVSOCK;
}

static const char *separator(const char *more)
{
	return *more == '\0' ? "" : ",";
}

/*
 * A guest that sees ERMS copies and clears memory with `rep movsb` and `rep stosb`, which TCG emulates
 * byte by byte. Without it the guest takes words: boots take a third less time, copies are three times
 * as fast (bench/).
 */
#if defined(__x86_64__)
#	define TCG_CPU "max,-erms"
#else
#	define TCG_CPU "max"
#endif

/*
 * What TCG may keep of translated code: else up to an eighth of the host's memory, so that a pod's machine had
 * more and more of it, and a limit of the pod's cgroup ended it. A guest that has booted has 54 MiB; deploy/ counts
 * on all of this.
 */
#define TCG_CACHE_MIB 128

static bool memory_grows(const struct sizing *s)
{
	return s->max_memory_mib > s->memory_mib && s->memory_slots > 0;
}

/*
 * Room to grow is given to those who may: a guest has to describe it to itself. An emulated machine
 * has room for a second processor in any case, or TCG leaves out the memory barriers of the first
 * one's code and makes its locked instructions from plain ones; but QEMU's other threads, virtiofsd and
 * vhost-device-vsock work on the rings of the guest's devices at the same time.
 */
static void add_size(char ***args, const struct sizing *s, enum config_accel accel)
{
	uint32_t most = s->max_vcpus;

	if (accel == CONFIG_ACCEL_TCG && most < 2)
		most = 2;
	if (most > s->vcpus)
		add(args, "-smp", "%" PRIu32 ",maxcpus=%" PRIu32, s->vcpus, most);
	else
		add(args, "-smp", "%" PRIu32, s->vcpus);
	if (memory_grows(s))
		add(args, "-m", "%" PRIu64 "M,slots=%" PRIu32 ",maxmem=%" PRIu64 "M", s->memory_mib,
		    s->memory_slots, s->max_memory_mib);
	else
		add(args, "-m", "%" PRIu64 "M", s->memory_mib);
}

static void add_machine(char ***args, const struct qemu_choices *q, const struct config *c)
{
	const struct config_hypervisor *h = &c->hypervisor;

	add(args, "-name", "sandbox-%s,debug-threads=on", q->sandbox_id);
	if (q->accel == CONFIG_ACCEL_KVM)
		add(args, "-accel", "kvm");
	else
		add(args, "-accel", "tcg,tb-size=%d", TCG_CACHE_MIB);
	add(args, "-machine", "%s%s%s%s%s", h->machine_type,
	    strstr(h->machine_type, "q35") ? ",usb=off,sata=off,smbus=off,vmport=off,hpet=off" : "",
	    qemu_memory_shared(q) ? ",memory-backend=memory" : "",
	    separator(h->machine_accelerators), h->machine_accelerators);
	add(args, "-cpu", "%s%s%s", q->accel == CONFIG_ACCEL_KVM ? "host" : TCG_CPU,
	    separator(h->cpu_features), h->cpu_features);
	add_size(args, &q->size, q->accel);
	if (qemu_memory_shared(q))
		add(args, "-object",
		    "memory-backend-memfd,id=memory,size=%" PRIu64 "M,share=on,seal=on",
		    q->size.memory_mib);
}

static void add_hygiene(char ***args, const struct config *c)
{
	add(args, "-nodefaults", NULL);
	add(args, "-no-user-config", NULL);
	add(args, "-display", "none"); /* -nographic makes the firmware talk on the console */
	add(args, "-no-reboot", NULL);
	add(args, "-S", NULL); /* the guest runs when all that can fail before has not */
	add(args, "-rtc", "base=utc,driftfix=slew,clock=host");
	add(args, "-global", "kvm-pit.lost_tick_policy=discard");
	if (*c->hypervisor.seccompsandbox != '\0')
		add(args, "-sandbox", "%s", c->hypervisor.seccompsandbox);
}

static void add_monitor(char ***args)
{
	add(args, "-chardev", "socket,id=qmp,fd=%d", QEMU_FD_QMP);
	add(args, "-mon", "chardev=qmp,mode=control");
}

/*
 * A serial port of the kind every kernel has a driver for from the first moment: what it says
 * before it panics is heard even when no module was loaded yet.
 */
static void add_console(char ***args)
{
	add(args, "-chardev", "socket,id=console,fd=%d", QEMU_FD_CONSOLE);
	add(args, "-serial", "chardev:console");
}

static void add_entropy(char ***args, const struct config *c)
{
	auto_free char *source = escape_commas(c->hypervisor.entropy_source);

	add(args, "-object", "rng-random,id=entropy,filename=%s", source);
	add(args, "-device", "virtio-rng-pci,rng=entropy");
}

static void add_agent(char ***args, const struct qemu_choices *q)
{
	switch (q->transport) {
	case CONFIG_TRANSPORT_VSOCK:
		add(args, "-device", "vhost-vsock-pci,id=vsock,guest-cid=%" PRIu32 ",vhostfd=%d",
		    q->guest_cid, QEMU_FD_AGENT);
		break;
	case CONFIG_TRANSPORT_HVSOCK:
		add(args, "-chardev", "socket,id=vsock,fd=%d", QEMU_FD_AGENT);
		add(args, "-device", "vhost-user-vsock-pci,id=vsock,chardev=vsock");
		break;
	case CONFIG_TRANSPORT_SERIAL:
	case CONFIG_TRANSPORT_AUTO:
		add(args, "-chardev", "socket,id=agent,fd=%d%s", QEMU_FD_AGENT,
		    q->agent_listens ? ",server=on,wait=off" : "");
		add(args, "-device", "virtserialport,bus=ports.0,chardev=agent,name=%s",
		    AGENT_SERIAL_NAME);
		break;
	}
}

static void add_ports(char ***args, const struct qemu_choices *q)
{
	if (q->transport == CONFIG_TRANSPORT_SERIAL || q->debug_console)
		add(args, "-device", "virtio-serial-pci,id=ports,max_ports=4");
	add_agent(args, q);
	if (q->debug_console) {
		add(args, "-chardev", "socket,id=debug,fd=%d,server=on,wait=off", QEMU_FD_DEBUG);
		add(args, "-device", "virtserialport,bus=ports.0,chardev=debug,name=%s",
		    QEMU_DEBUG_CONSOLE_NAME);
	}
}

static void add_share(char ***args, const struct qemu_choices *q, const struct config *c)
{
	if (!q->share)
		return;
	add(args, "-chardev", "socket,id=share,fd=%d", QEMU_FD_FS);
	add(args, "-device", "vhost-user-fs-pci,chardev=share,tag=%s,queue-size=%" PRIu32,
	    HV_SHARE_TAG, c->hypervisor.virtio_fs_queue_size);
}

/* "8:9:10": QEMU separates descriptors by colons. */
static void add_fd_list(struct buf *to, const char *key, int first, uint32_t n)
{
	buf_addf(to, ",%s=%d", key, first);
	for (uint32_t i = 1; i < n; i++)
		buf_addf(to, ":%d", first + (int)i);
}

static void add_tap(char ***args, const struct hv_nic *nic, size_t index, int *fd)
{
	auto_buf struct buf netdev = BUF_INIT;

	buf_addf(&netdev, "tap,id=nic%zu", index);
	add_fd_list(&netdev, "fds", *fd, nic->n_queues);
	*fd += (int)nic->n_queues;
	if (nic->vhost_fds) {
		buf_addf(&netdev, ",vhost=on");
		add_fd_list(&netdev, "vhostfds", *fd, nic->n_queues);
		*fd += (int)nic->n_queues;
	}
	add(args, "-netdev", "%s", netdev.data);
}

/* A network stack in QEMU. */
static void add_user_stack(char ***args, const struct hv_nic *nic, size_t index)
{
	auto_buf struct buf netdev = BUF_INIT;

	buf_addf(&netdev,
		 "user,id=nic%zu,net=" HV_USER_NET ",host=" HV_USER_GATEWAY
		 ",dns=" HV_USER_NAME_SERVER,
		 index);
	if (nic->ipv6_link)
		buf_addf(&netdev, ",ipv6-net=" HV_USER_NET_6 ",ipv6-host=" HV_USER_GATEWAY_6
				  ",ipv6-dns=" HV_USER_NAME_SERVER_6);
	else
		buf_addf(&netdev, ",ipv6=off");
	for (size_t i = 0; i < nic->n_ports; i++) {
		const struct hv_port *p = &nic->ports[i];

		buf_addf(&netdev, ",hostfwd=%s:%s:%u-" HV_USER_ADDRESS ":%u",
			 p->udp ? "udp" : "tcp", p->address, p->host, p->guest);
	}
	add(args, "-netdev", "%s", netdev.data);
}

static void add_backend(char ***args, const struct qemu_choices *q, size_t index, int *fd)
{
	const struct hv_nic *nic = &q->nics[index];

	switch (nic->kind) {
	case HV_NIC_TAP:
		add_tap(args, nic, index, fd);
		break;
	case HV_NIC_VHOST_USER:
		/* Of connected sockets QEMU does not believe that they can pass descriptors. */
		add(args, "-chardev", "socket,id=switch%zu,path=/proc/self/fd/%d", index, (*fd)++);
		add(args, "-netdev", "vhost-user,id=nic%zu,chardev=switch%zu,queues=%" PRIu32,
		    index, index, nic->n_queues);
		break;
	case HV_NIC_USER:
		if (q->passt)
			add(args, "-netdev", "socket,id=nic%zu,fd=%d", index, (*fd)++);
		else
			add_user_stack(args, nic, index);
		break;
	}
}

static void add_nic(char ***args, const struct qemu_choices *q, size_t index, int *fd)
{
	const struct hv_nic *nic = &q->nics[index];
	const uint8_t *m = nic->mac;
	auto_free char *queues = NULL;

	add_backend(args, q, index, fd);
	/*
	 * One interrupt for each direction of a pair, one for control, one for configuration. With MSI-X and
	 * without KVM QEMU 7.2 crashes as soon as a guest uses a vhost-user card (it unmasks an interrupt that
	 * only KVM would deliver): one of the old kind for all then.
	 */
	if (nic->kind == HV_NIC_VHOST_USER && q->accel != CONFIG_ACCEL_KVM)
		queues = xasprintf("%s,vectors=0", nic->n_queues > 1 ? ",mq=on" : "");
	else if (nic->n_queues > 1)
		queues = xasprintf(",mq=on,vectors=%" PRIu32, 2 * nic->n_queues + 2);
	else
		queues = xstrdup("");
	add(args, "-device",
	    "virtio-net-pci,netdev=nic%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x,addr=0x%zx%s,romfile=",
	    index, m[0], m[1], m[2], m[3], m[4], m[5], QEMU_NIC_SLOT + index, queues);
}

static void add_nics(char ***args, const struct qemu_choices *q)
{
	int fd = QEMU_FD_NICS;

	for (size_t i = 0; i < q->n_nics; i++)
		add_nic(args, q, i, &fd);
}

bool qemu_has_channels(const struct config *c)
{
	return strncmp(c->hypervisor.machine_type, "s390-ccw", strlen("s390-ccw")) == 0;
}

static void add_hotplug_ports(char ***args, const struct config *c)
{
	for (unsigned i = 0; i < SLOT_PORTS && !qemu_has_channels(c); i++)
		add(args, "-device", "pcie-root-port,id=port%u,chassis=%u,slot=%u,addr=0x%x", i,
		    i + 1, i + 1, SLOT_PORT_ADDRESS(i));
}

static void add_payload(char ***args, const struct qemu_choices *q, const struct config *c)
{
	auto_free char *append = qemu_kernel_command_line(q, c);

	if (*q->firmware != '\0')
		add(args, "-bios", "%s", q->firmware);
	add(args, "-kernel", "%s", q->kernel);
	add(args, "-initrd", "%s", q->initrd);
	add(args, "-append", "%s", append);
}

char **qemu_args(const struct qemu_choices *q, const struct config *c)
{
	char **args = NULL;

	strv_add(&args, c->hypervisor.path);
	add_machine(&args, q, c);
	add_hygiene(&args, c);
	add_monitor(&args);
	add_console(&args);
	add_hotplug_ports(&args, c);
	add_entropy(&args, c);
	add_ports(&args, q);
	add_share(&args, q, c);
	add_nics(&args, q);
	add_payload(&args, q, c);
	return args;
}

/* ---- The guest kernel's command line ---- */

/*
 * Things not to look for (keyboard, other ways to reboot), not to measure (timer routing, crypto
 * self-tests) and not to wait for (a panic ends the machine, with -no-reboot, at once). Of the PCIe
 * ports only hot-plug is wanted, and that comes through ACPI: no services of their own
 * (pcie_ports=compat), which cost some 25 ms a port under emulation. Of Debian's security modules those
 * that do something without a policy of their own, which a guest has not got. And no names for the
 * numbers in the formats of trace events: looking them all up is a twelfth of a boot.
 */
static const char kernel_base[] =
	"console=ttyS0 panic=-1 reboot=k tsc=reliable no_timer_check noreplace-smp "
	"rcupdate.rcu_expedited=1 i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1 "
	"pcie_ports=compat cryptomgr.notests net.ifnames=0 "
	"lsm=landlock,lockdown,yama,loadpin,safesetid,integrity,bpf "
	"initcall_blacklist=trace_eval_init";

/*
 * A guest that may come to have memory above 4 GiB sets 64 MiB aside to copy what devices cannot reach
 * there, which takes a fifth of its boot. Virtio devices reach everything.
 */
static const char kernel_growing[] = " swiotlb=noforce";

/* Where the agent listens, as transport_parse() reads it in the guest. */
static void add_server_address(struct buf *line, const struct qemu_choices *q)
{
	if (q->transport == CONFIG_TRANSPORT_SERIAL)
		buf_addf(line, " agent.server_addr=serial://%s", AGENT_SERIAL_NAME);
	else
		buf_addf(line, " agent.server_addr=vsock://-1:%u", AGENT_PORT);
}

char *qemu_kernel_command_line(const struct qemu_choices *q, const struct config *c)
{
	struct buf line = BUF_INIT;

	buf_addf(&line, "%s nr_cpus=%" PRIu32, kernel_base, q->size.max_vcpus);
	if (memory_grows(&q->size))
		buf_addf(&line, "%s", kernel_growing);
	if (q->tsc_khz > 0)
		buf_addf(&line, " tsc_early_khz=%" PRIu32, q->tsc_khz);
	/* The agent's log goes to the console as well: what was said last is in one place. */
	if (!c->hypervisor.enable_debug)
		buf_addf(&line, " quiet");
	if (c->agent.enable_debug)
		buf_addf(&line, " agent.log=debug");
	add_server_address(&line, q);
	if (q->debug_console)
		buf_addf(&line, " agent.debug_console");
	if (c->agent.container_pipe_size > 0)
		buf_addf(&line, " agent.container_pipe_size=%" PRIu32,
			 c->agent.container_pipe_size);
	if (*c->hypervisor.kernel_params != '\0')
		buf_addf(&line, " %s", c->hypervisor.kernel_params);
	return line.data;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_DEVICE_H
#define HUSK_HYPERVISOR_DEVICE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/err.h"

/*
 * Devices of a running VM: plugged in, named the way the agent finds them, taken out again.
 *
 * A device belongs to its VM: what is still plugged in when the VM ends goes with it, without a
 * wait; the handle stays valid until hv_unplug() or hv_free(). Plugging is all or nothing; an error
 * is that of the step that failed, with everything before it taken back. Any fiber may plug and
 * unplug at any time after hv_start().
 */

struct hv;
struct hv_device;

enum hv_device_kind {
	HV_DEVICE_DISK,
	HV_DEVICE_NIC,
	HV_DEVICE_VFIO,
	HV_DEVICE_VHOST_USER,
	HV_DEVICE_KINDS, /* how many there are */
};

/*
 * A stretch of a regular file or block device. What lies behind the end of the file reads as zeros;
 * a length of 0 is all from the offset on.
 */
struct hv_extent {
	/*
	 * Opened as hv_disk.read_only and .direct say; borrowed for the call. Close it then: what
	 * locks a file for the VMM is the open file, which lasts as long as any copy of it.
	 */
	int fd;
	const char *name; /* for messages: its path */
	uint64_t offset;  /* bytes, a multiple of 512 */
	uint64_t length;  /* bytes */
};

struct hv_disk {
	/*
	 * One that is a whole file or block device: the disk is that, as it is. Others, for drivers
	 * with HV_CAP_DISK_CONCAT: regular files that follow each other on one read-only disk, each
	 * rounded up to 512 bytes; not direct.
	 */
	const struct hv_extent *extents;
	size_t n_extents;
	bool read_only;
	bool shared;  /* others may have the file open too: no lock; read-only disks alone */
	bool direct;  /* past the host's page cache; the descriptor was opened with O_DIRECT */
	bool discard; /* what the guest frees is freed in the file */
};

/* What carries the frames of a virtual network card. */
enum hv_nic_kind {
	HV_NIC_TAP,        /* a tap device of the host */
	HV_NIC_VHOST_USER, /* another process, which maps the guest's memory; at boot only */
	HV_NIC_USER, /* none: they become connections of a process of the host; at boot only */
};

/* Whoever connects to it on the host reaches a port of the guest. */
struct hv_port {
	bool udp;
	/* Of the host; "0.0.0.0": each of IPv4, "::": of either family. */
	char address[INET6_ADDRSTRLEN];
	uint16_t host, guest;
};

struct hv_nic {
	enum hv_nic_kind kind;
	uint8_t mac[6];
	uint32_t n_queues;  /* pairs */
	const int *tap_fds; /* tap: one a pair, tun or macvtap, with IFF_VNET_HDR; borrowed */
	const int *
		vhost_fds; /* tap: /dev/vhost-net, borrowed; NULL: the VMM moves the frames itself */
	int socket_fd;     /* vhost-user: what the other process listens on, by O_PATH; borrowed */
	const struct hv_port *ports; /* user: published; borrowed */
	size_t n_ports;
	const char *ipv6_link; /* user: the host's link for IPv6, borrowed; NULL: IPv4 alone */
};

/* The guest's own addresses where it has a HV_NIC_USER: those that QEMU's network stack is used with. */
#define HV_USER_NET         "10.0.2.0/24"
#define HV_USER_ADDRESS     "10.0.2.15"
#define HV_USER_PREFIX_LEN  "24"
#define HV_USER_GATEWAY     "10.0.2.2" /* and with that, localhost of the host */
#define HV_USER_NAME_SERVER "10.0.2.3" /* the host's */
#define HV_USER_MTU         1500

/* The same of IPv6: a unique local prefix (RFC 4193), so that of a host with both IPv4 is preferred. */
#define HV_USER_NET_6         "fd68:7573:6b::/64"
#define HV_USER_ADDRESS_6     "fd68:7573:6b::15"
#define HV_USER_PREFIX_LEN_6  "64"
#define HV_USER_GATEWAY_6     "fd68:7573:6b::2"
#define HV_USER_NAME_SERVER_6 "fd68:7573:6b::3"

#define HV_NICS_MAX    8  /* at boot */
#define HV_NIC_FDS_MAX 48 /* of all of them together */

/*
 * Plug a disk into the configured kind of controller. Returns when the VMM has it: the guest finds it
 * a little later, which is the agent's to wait for. ERR_UNSUPPORTED: the driver cannot;
 * ERR_EXHAUSTED: no slot is free.
 */
int hv_plug_disk(struct hv *hv, const struct hv_disk *disk, struct deadline d,
		 struct hv_device **ret, struct err *e) must_check;

/*
 * Plug in a NIC; its address is for Interface.devicePath. `name` is for messages. Errors as above.
 */
int hv_plug_nic(struct hv *hv, const struct hv_nic *nic, const char *name, struct deadline d,
		struct hv_device **ret, struct err *e) must_check;

/*
 * Let the guest see that a disk that is one file has grown to so many bytes: the file grows with it, a
 * block device must have grown before. ERR_UNSUPPORTED: the driver cannot.
 */
int hv_grow_disk(struct hv *hv, struct hv_device *dev, uint64_t bytes, struct deadline d,
		 struct err *e) must_check;

/* As Storage.driver and Storage.source (or Device.type and .id) name it to the agent; borrowed. */
const char *hv_device_driver(const struct hv_device *dev);  /* "blk", "scsi" */
const char *hv_device_address(const struct hv_device *dev); /* PCI path "02/00", SCSI "0:1" */

/*
 * Take it out: ask the guest, wait for its consent (10 s at most), then free what the VMM held for
 * it. After success `dev` is gone. After an error it may be tried again; a dead VM is a success.
 * ERR_UNSUPPORTED, at once, for kinds that cannot be unplugged.
 */
int hv_unplug(struct hv *hv, struct hv_device *dev, struct deadline d, struct err *e) must_check;

#endif

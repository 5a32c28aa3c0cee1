/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_UEVENT_H
#define HUSK_AGENT_DEVICE_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * One message of the kernel's device events: "<action>@<devpath>", then KEY=VALUE strings, each ended
 * by a NUL (lib/kobject_uevent.c). The members point into the message; "" where it has none.
 */
#define UEVENT_MESSAGE_MAX 8192u /* bytes; the kernel's buffer has 2048, and the header's path */

struct uevent {
	const char *action;    /* "add", "remove", "change", ... */
	const char *devpath;   /* below /sys: "/devices/pci0000:00/…" */
	const char *subsystem; /* "block", "net", "pci", ... */
	const char *devname;   /* of the node, below /dev; a path where it is in a directory */
	const char *interface; /* of the network */
};

/* False: not a message of this form. The message need not end in a NUL; what is cut off is dropped. */
bool uevent_parse(const char *message, size_t len, struct uevent *ret);

#endif

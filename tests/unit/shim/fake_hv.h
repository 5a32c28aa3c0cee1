/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_FAKE_HV_H
#define HUSK_TESTS_FAKE_HV_H

#include <stdbool.h>

/*
 * hypervisor.h without a machine, linked in place of libhypervisor.a: its agent is a scripted ttrpc
 * server in the loop of the test. One at a time.
 */
struct fake_hv {
	bool silent;            /* the agent accepts and never answers */
	bool stream;            /* there is none, but a serial port's stream that nobody reads */
	unsigned lost_calls;    /* so many of the first are never answered */
	const char *refuse;     /* the agent answers this method with an error; NULL: none */
	const char *last_words; /* "" by default */

	unsigned refuse_growth; /* the n-th addition from now on fails; 0: none */
	bool no_memory_hotplug; /* of the guest's kernel */
	unsigned vcpus, mib;    /* of the machine: as asked for at boot, and what was added */

	unsigned running;   /* machines that were started and not ended */
	unsigned cleaned;   /* hv_clean_up() calls */
	bool refuse_clean;  /* they fail */
	char methods[512];  /* what the agent was asked, "CreateSandbox GetGuestDetails …" */
	char rootfs[256];   /* Root.Path of the last CreateContainer */
	char storages[256]; /* mount points of CreateSandbox */
	bool had_share, had_cgroup;

	bool no_disks;         /* the machine cannot take any */
	unsigned refuse_plug;  /* the n-th plug from now on fails; 0: none */
	bool refuse_unplug;    /* the guest does not let go */
	unsigned plugs, disks; /* made, and there now */
	char plugged[4096];    /* the last disks: "ro:<extent>,<extent> rw:…" */
	char request[8192];    /* storages and devices of the last CreateContainer, one a line */
	bool root_readonly;    /* of it */
};
extern struct fake_hv fake_hv;

/* The stream ends. */
void fake_hv_hang_up(void);

/* The machine dies. */
void fake_hv_die(const char *why);

#endif

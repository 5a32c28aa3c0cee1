/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_DEVICES_H
#define HUSK_AGENT_CGROUP_DEVICES_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/*
 * Device access by cgroup. The rules of an OCI spec mean what they meant to the devices controller of
 * cgroup v1: a default and exceptions from it, a rule for "all devices" setting the default anew.
 * cgroup v2 asks a BPF program instead (cgroup-v2, "Device controller"), which is made from that.
 */
#define DEVICE_ANY (-1) /* major or minor */

struct device_exception {
	uint32_t type; /* BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR */
	int64_t major, minor;
	uint32_t access; /* BPF_DEVCG_ACC_* */
};

struct device_rules {
	bool allow; /* the default */
	struct device_exception *exception;
	size_t n;
};

/* Is there a rule that denies? Without one nothing is to be filtered (cgroup.h). */
bool device_rules_deny_any(Grpc__LinuxDeviceCgroup *const *rule, size_t n);

/*
 * Deny all, the default devices of the OCI runtimes, then these rules in order. -1 is any number; 0:0
 * is too, because an unset number arrives as 0. ERR_INVALID: an unknown type or access.
 */
int device_rules_read(struct device_rules *ret, Grpc__LinuxDeviceCgroup *const *rule, size_t n,
		      struct err *e) must_check;
void device_rules_done(struct device_rules *r);
#define auto_device_rules CLEANUP(device_rules_done)

/* What the program answers; the meaning of the rules, and what tests compare the program with. */
bool device_rules_allow(const struct device_rules *r, uint32_t type, uint32_t major, uint32_t minor,
			uint32_t access);

/* The program, for free(); *ret_n instructions. */
struct bpf_insn *device_filter_compile(const struct device_rules *r, size_t *ret_n) must_check;

/*
 * Load it and attach it to the cgroup, in place of *program (-1: none), which then holds the new
 * one's descriptor. On failure the old one stays.
 */
int device_filter_attach(const struct device_rules *r, int cgroup, int *program, struct err *e)
	must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_RECORD_H
#define HUSK_HYPERVISOR_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * <run_dir>/processes.json: which processes a machine consists of, for whoever has to end them
 * after the shim has crashed. A pid alone may belong to somebody else by then; with the time it was
 * started at it is unique until the next boot, and /run does not survive that.
 *
 *	{"processes":[{"name":"qemu","pid":4711,"start_time":123456}]}
 */
#define RECORDS_FILE "processes.json"
#define RECORDS_MAX  8

struct record {
	char name[32];
	pid_t pid;
	uint64_t start_time; /* clock ticks after boot: field 22 of /proc/PID/stat, proc(5) */
};

/* -1 if there is no such process (any more). */
int record_start_time(pid_t pid, uint64_t *ret) must_check;

int records_write(const char *run_dir, const struct record *list, size_t n, struct err *e)
	must_check;

void records_remove(const char *run_dir);

/* The number of records, at most RECORDS_MAX; 0 if there is no file. */
int records_read(const char *run_dir, struct record list[static RECORDS_MAX], struct err *e)
	must_check;

#endif

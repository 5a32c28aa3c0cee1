/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_NETNS_CASE_H
#define HUSK_TESTS_NETNS_CASE_H

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"

/*
 * A network namespace for each test, kept by a child process, with a veth pair in it: "eth0" (02:00:00:00:00:01,
 * MTU 1400) and "far". Needs root, ip(8), tc(8) and /dev/net/tun.
 */
struct netns_case {
	pid_t keeper; /* of the namespace */
	char path[64];
	int fd;
	struct config config; /* of a sandbox: tcfilter, one queue */
};
extern struct netns_case t;
extern char tcfilter[], macvtap[];

bool netns_case_possible(void); /* else a line says why not */
int set_up(void **state);
int tear_down(void **state);

/* A command of the shell in the test's namespace; what it prints. */
char *in_netns(const char *command);

void assert_has(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

#define SKIPPED 77 /* of automake's test driver */

#endif

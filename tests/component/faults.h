/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_FAULTS_H
#define HUSK_TESTS_FAULTS_H

#include <stdatomic.h>

/*
 * System calls that fail on request, in an agent that is linked with faults.c (husk-agent-faulty). The
 * test and the agent, with every process that it starts from its own binary, share this, in the file that
 * the environment variable names.
 */
#define FAULTS_ENV "HUSK_TEST_FAULTS"

struct faults {
	atomic_long at;    /* the call that fails, the first is 1; 0: none, and none is counted */
	atomic_long count; /* calls so far */
	char name[32];     /* of the one that failed */
};

#endif

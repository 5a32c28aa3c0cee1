/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_METRICS_H
#define HUSK_AGENT_GUEST_METRICS_H

#include <stdint.h>

/*
 * What the guest and the agent use, in Prometheus' text format 0.0.4. The families and labels are those
 * of agent-protocol 3.14, so that dashboards made for Kata Containers work.
 */

/*
 * `proc` is /proc, in tests a tree of their own; `scrapes` counts the calls. For free(). A file that
 * cannot be read leaves its families without samples. Blocks (statfs of every mounted disk).
 */
char *metrics_text(const char *proc, uint64_t scrapes);

#endif

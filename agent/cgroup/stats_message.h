/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_STATS_MESSAGE_H
#define HUSK_AGENT_STATS_MESSAGE_H

#include "agent.pb-c.h"
#include "common/base/mem.h"

/* Between the counters of both versions of cgroups and the message that carries them. */

/* The text of a file, for free(); "" if it cannot be read (dir -1, too): its controller is not there. */
char *stats_read_text(int dir, const char *file) must_check;
/* "max" and what is no number: 0. */
uint64_t stats_read_number(int dir, const char *file);
/* The number behind "key " in such lines, 0: there is none. */
uint64_t stats_key(const char *text, const char *key);

/* "key value" lines; the text is cut up. */
void stats_add_memory(Grpc__MemoryStats *s, char *text);

/* Up to a limit of entries, which a guest of many disks does not reach. */
void stats_add_io(Grpc__BlkioStatsEntry ***list, size_t *n, uint64_t major, uint64_t minor,
		  const char *op, uint64_t value);

/* An entry for this page size, "2MB", to be filled; borrowed. */
Grpc__HugetlbStats *stats_add_huge_pages(Grpc__CgroupStats *s, const char *size);

#endif

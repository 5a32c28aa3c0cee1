/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_BLOCK_H
#define HUSK_AGENT_BLOCK_H

#include "agent/storage/storage.h"

/* Storages on disks that the host plugs, each kind known to it by another name (agent-protocol 4.1). */
extern const struct storage_driver block_blk, block_blk_ccw, block_mmioblk, block_nvdimm,
	block_scsi;

/*
 * Wait for the disk that `source` names to a driver ("blk": a PCI path or a node, "scsi": an address,
 * "mmioblk" and "nvdimm": a node, "blk-ccw": a channel), loading what it needs. *ret_node: a path that
 * is a block device, for free(). ERR_UNSUPPORTED: there is no such driver.
 */
int block_wait(struct device_watch *w, const char *driver, const char *source, char **ret_node,
	       struct err *e) must_check;

/* The options without what is for the agent alone ("X-kata.…"), not copied; for free(). */
char **block_mount_words(char *const *option, size_t n, size_t *ret_n) must_check;

#endif

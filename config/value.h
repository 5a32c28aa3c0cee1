/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_VALUE_H
#define HUSK_CONFIG_VALUE_H

#include "common/base/mem.h"
#include "config/table.h"
#include "config/toml.h"

/* One value of the configuration: from its default, from TOML with its checks, to text. */

/* The built-in default of every key, in a zeroed struct config. */
void config_set_built_in(struct config *c, const struct config_key *key);

/*
 * Check `v` and take it. Fails with ERR_INVALID ("must be …, found …"), without the name of the key
 * or the file, and leaves the old value then. 1: a word that husk does not have; nothing is taken.
 */
int config_set(struct config *c, const struct config_key *key, const struct toml_value *v,
	       struct err *e) must_check;

/* The value as TOML writes it. */
void config_print_value(const struct config *c, const struct config_key *key, struct buf *ret);

void config_clear(struct config *c, const struct config_key *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_LOAD_H
#define HUSK_CONFIG_LOAD_H

#include "config/config.h"

/* Where config_load() looks, for tests to put elsewhere. */
struct config_places {
	const char *from_environment; /* the value of HUSK_CONF_FILE; NULL or "": unset */
	const char *system_dir;       /* /etc/husk: configuration.toml and config.d */
	const char *defaults_dir;     /* $(datadir)/husk: configuration.toml */
};

int config_load_from(const struct config_places *places, const char *path, struct config **ret,
		     struct err *e) must_check;

/* The rules between keys: kernel goes with initrd, and the like. ERR_INVALID names the keys. */
int config_check_together(const struct config *c, struct err *e) must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_TABLE_H
#define HUSK_CONFIG_TABLE_H

#include "config/config.h"

/*
 * The one list of configuration keys. Loading, checking, describing, the installed
 * configuration.toml and the manual page all go by it (the last two are compared by a test).
 */

enum config_kind {
	CONFIG_STRING,  /* char * */
	CONFIG_PROGRAM, /* char *; the default is the first of a ":"-separated list that exists */
	CONFIG_LIST,    /* char **; strings */
	CONFIG_BOOL,    /* bool */
	CONFIG_NUMBER,  /* uint32_t, min..max */
	CONFIG_DECIMAL, /* uint32_t, thousandths; min..max whole ones */
	CONFIG_CHOICE,  /* an enum whose constants count from 0 as `words` does */
};

/* What a string has to be, beyond one line of at most CONFIG_STRING_MAX bytes. */
enum config_check {
	CONFIG_ANY,
	CONFIG_PATH,          /* absolute, clean (path_is_clean) */
	CONFIG_PATH_OR_EMPTY, /* the same, or "" */
	CONFIG_NAME,          /* can be one component of a path (id_valid) */
	CONFIG_WORD,          /* one of `words` */
	CONFIG_POWER_OF_TWO,  /* a number */
};

#define CONFIG_STRING_MAX 4096 /* bytes */
#define CONFIG_LIST_MAX   256  /* strings in a list */

struct config_key {
	const char
		*section; /* "hypervisor" stands for [hypervisor.<name>], "agent" for two names */
	const char *name;
	enum config_kind kind;
	enum config_check check;
	size_t offset;                    /* in struct config */
	const char *built_in;             /* the default, as text without quotes; a list is empty */
	uint32_t min, max;                /* of a number */
	const char *const *words;         /* NULL-terminated, of a choice or a word */
	const char *const *ignored_words; /* Kata's that husk does not have: reported, not taken */
	bool host_only;    /* no annotation of a pod may set it, whatever enable_annotations says */
	const char *valid; /* of the same section: globs, one of which a pod's value must match */
	const char *doc;   /* one line, for the installed file */
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

/*
 * The row for a key in a section ("hypervisor", "agent", "runtime"), also by another name that
 * Kata's runtimes know it by. NULL: there is none.
 */
const struct config_key *config_key_find(const char *section, const char *name) must_check;

/* Is it one that Kata's runtimes know and husk does not implement? */
bool config_key_is_ignored(const char *section, const char *name);

/* Where a value came from: "built-in" or "<file>:<line>", a row for a row of config_keys. */
struct config_origins {
	char **of;
	char **files; /* that were read, in order; NULL: none */
};

#endif

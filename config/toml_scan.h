/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_TOML_SCAN_H
#define HUSK_CONFIG_TOML_SCAN_H

#include "common/base/mem.h"
#include "config/toml.h"

/*
 * The characters of a TOML document: the layer below the grammar of tables in toml.c. toml_scan.c
 * has blanks, comments and strings; toml_number.c has numbers and times.
 */

struct toml_scan {
	const char *at, *end; /* the text not yet read */
	const char *name;     /* of the document, for errors */
	unsigned line;
	struct err *e;
};

/* The next character, or -1 at the end. Unsigned, so that a byte above 0x7f is not "the end". */
static inline int toml_peek(const struct toml_scan *s)
{
	return s->at < s->end ? (unsigned char)*s->at : -1;
}

/* Does the text go on with these characters? */
bool toml_ahead(const struct toml_scan *s, const char *literal);

/* ERR_INVALID with file and line in front. Returns -1. */
int toml_fail(const struct toml_scan *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The next character as a message shows it: 'x', "end of line", "end of file", 0x1b. Static. */
const char *toml_seen(const struct toml_scan *s);

/* UTF-8 as RFC 3629 has it, over the whole text, and no control characters where none may be. */
int toml_check_text(struct toml_scan *s) must_check;

/* Spaces and tabs. */
void toml_skip_blank(struct toml_scan *s);
/* Blanks, then a comment if there is one, then a newline or the end of the file. */
int toml_end_line(struct toml_scan *s) must_check;
/* Blanks, comments and newlines, as many as there are. */
void toml_skip_lines(struct toml_scan *s);

/* A quoted string; the opening quote is ahead. Multi-line strings where `multiline` allows them. */
int toml_scan_string(struct toml_scan *s, bool multiline, struct buf *ret) must_check;

/* A number, a time, true or false: everything that is neither string, array nor table. */
int toml_scan_bare(struct toml_scan *s, struct toml_value *ret) must_check;

#endif

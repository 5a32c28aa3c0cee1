/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_LOG_H
#define HUSK_BASE_LOG_H

#include <stdbool.h>

/*
 * Log lines. Library code logs nothing above debug: a failure is returned as a `struct err` and
 * logged once, by the edge that gives up on it or answers with it.
 *
 * A line is written with one write() to one descriptor and never blocks the program: what a full
 * pipe does not take is dropped. Control characters in the message are escaped, so a line is a line.
 */
enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_format {
	LOG_FORMAT_TEXT, /* time="…" level=info msg="…" id=…, as the containerd shims write it */
	LOG_FORMAT_JSON, /* {"msg":…,"level":…,"ts":…,…}, as the Kata agent writes it */
};

/* Before log_init(): text to standard error, level info. `fd` is borrowed. */
void log_init(int fd, enum log_format format, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Two fields that every later line carries, e.g. "sandbox" and its id. NULL takes them off. */
void log_set_context(const char *key, const char *value);

/* Also hand each finished line (without newline) to fn; NULL: no longer. For tests and log ports. */
void log_set_tap(void (*fn)(const char *line, void *arg), void *arg);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                        \
	do {                                                  \
		if (log_level() >= LOG_LEVEL_DEBUG)           \
			log_at(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#endif

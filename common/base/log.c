/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, one write() each; see log.h. */
#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#define LINE_MAX_BYTES 8192 /* longer lines lose their tail */

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	char *key, *value;
	void (*tap)(const char *line, void *arg);
	void *tap_arg;
} sink = { .fd = STDERR_FILENO, .format = LOG_FORMAT_TEXT, .level = LOG_LEVEL_INFO };

static const char *const text_levels[] = { "error", "warning", "info", "debug" };
static const char *const json_levels[] = { "ERRO", "WARN", "INFO", "DEBG" };

void log_init(int fd, enum log_format format, enum log_level level)
{
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

enum log_level log_level(void)
{
	return sink.level;
}

void log_set_context(const char *key, const char *value)
{
	free(sink.key);
	free(sink.value);
	sink.key = key && value ? xstrdup(key) : NULL;
	sink.value = key && value ? xstrdup(value) : NULL;
}

void log_set_tap(void (*fn)(const char *line, void *arg), void *arg)
{
	sink.tap = fn;
	sink.tap_arg = arg;
}

/* The same escapes serve Go's %q, which logrus uses, and JSON; bytes above 0x7f pass through. */
static void add_quoted(struct buf *b, const char *s)
{
	buf_add(b, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_add(b, "\\n", 2);
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\u%04x", c);
		else
			buf_add(b, s, 1);
	}
	buf_add(b, "\"", 1);
}

static void add_time(struct buf *b)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	buf_addf(b, "\"%s.%09ldZ\"", text, now.tv_nsec);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	auto_buf struct buf line = BUF_INIT;
	char msg[LINE_MAX_BYTES];
	va_list ap;

	if (level > sink.level)
		return;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	utf8_clean(msg); /* a name of an image may be any bytes, and JSON is UTF-8 */

	if (sink.format == LOG_FORMAT_TEXT) {
		buf_addf(&line, "time=");
		add_time(&line);
		buf_addf(&line, " level=%s msg=", text_levels[level]);
		add_quoted(&line, msg);
		if (sink.key)
			buf_addf(&line, " %s=%s", sink.key, sink.value);
	} else {
		buf_addf(&line, "{\"msg\":");
		add_quoted(&line, msg);
		buf_addf(&line, ",\"level\":\"%s\",\"ts\":", json_levels[level]);
		add_time(&line);
		buf_addf(&line,
			 ",\"subsystem\":\"agent\",\"name\":\"husk-agent\",\"source\":\"agent\""
			 ",\"version\":\"%s\",\"pid\":\"%d\"",
			 HUSK_VERSION, (int)getpid());
		if (sink.key) {
			buf_addf(&line, ",\"%s\":", sink.key);
			add_quoted(&line, sink.value);
		}
		buf_addf(&line, "}");
	}
	if (sink.tap)
		sink.tap(line.data, sink.tap_arg);
	buf_add(&line, "\n", 1);
	/* A reader that is gone or slow must not hold the program up: what does not fit is lost. */
	(void)!write(sink.fd, line.data, line.len);
	errno = saved;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last lines of a console; see console.h.
 *
 * Finished lines stand one behind the other in a buffer, each with its NUL. When a line does not
 * fit any more, whole lines are dropped from the front until the buffer is down to half: a guest
 * that writes for ever costs one move of 8 KiB for every 8 KiB.
 */
#include "hypervisor/console.h"

#include <stdint.h>
#include <string.h>

#include "common/base/utf8.h"

/* Of an escape sequence (ECMA-48): ESC, then CSI "[" parameters final, or OSC "]" … BEL. */
enum escape {
	ESCAPE_NONE,
	ESCAPE_BEGUN,  /* after ESC */
	ESCAPE_CSI,    /* until a byte from '@' to '~' */
	ESCAPE_STRING, /* until BEL or the next ESC */
};

static void make_room(struct console *c, size_t need)
{
	size_t drop = 0;

	if (c->ring.len + need <= CONSOLE_ROOM)
		return;
	while (drop < c->ring.len && c->ring.len - drop + need > CONSOLE_ROOM / 2)
		drop += strlen(c->ring.data + drop) + 1;
	buf_drop_front(&c->ring, drop);
}

/* Drop what is not UTF-8 (a line that was cut, or never was text), in place. */
static size_t keep_utf8(char *s, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);

		if (n == 0) {
			i++;
			continue;
		}
		memmove(s + out, s + i, n);
		out += n;
		i += n;
	}
	return out;
}

static void finish_line(struct console *c)
{
	size_t len = keep_utf8(c->line, c->line_len);

	c->line_len = 0;
	while (len > 0 && c->line[len - 1] == ' ')
		len--;
	if (len == 0)
		return;
	c->line[len] = '\0';
	make_room(c, len + 1);
	buf_add(&c->ring, c->line, len + 1);
	if (c->on_line)
		c->on_line(c->line, c->arg);
	c->line[0] = '\0';
}

/* Is this byte part of an escape sequence? */
static bool skip_escape(struct console *c, uint8_t b)
{
	enum escape was = (enum escape)c->escape;

	if (b == 0x1b) {
		c->escape = ESCAPE_BEGUN;
		return true;
	}
	switch (was) {
	case ESCAPE_NONE:
		return false;
	case ESCAPE_BEGUN:
		c->escape = b == '['                                       ? ESCAPE_CSI
			    : b == ']' || b == 'P' || b == '^' || b == '_' ? ESCAPE_STRING
									   : ESCAPE_NONE;
		return b >= 0x20;
	case ESCAPE_CSI:
		if (b >= 0x20 && b < 0x40)
			return true;
		c->escape = ESCAPE_NONE;
		return b >= 0x40 && b < 0x7f;
	case ESCAPE_STRING:
		/* A newline ends it too: a lost terminator must not swallow a panic. */
		if (b == '\a' || b == '\n')
			c->escape = ESCAPE_NONE;
		return b != '\n';
	}
	return false;
}

void console_feed(struct console *c, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		if (skip_escape(c, p[i]))
			continue;
		if (p[i] == '\n' || p[i] == '\r') {
			finish_line(c);
			continue;
		}
		if (p[i] == '\t')
			c->line[c->line_len++] = ' ';
		else if (p[i] >= 0x20 && p[i] != 0x7f)
			c->line[c->line_len++] = (char)p[i];
		c->line[c->line_len] = '\0';
		if (c->line_len == CONSOLE_LINE_MAX)
			finish_line(c);
	}
}

void console_done(struct console *c)
{
	buf_done(&c->ring);
	c->line_len = 0;
	c->line[0] = '\0';
}

/* The last finished line that ends before `end` bytes of the ring; NULL at its start. */
static const char *line_before(const struct console *c, size_t end)
{
	size_t at = end;

	if (end == 0)
		return NULL;
	for (at = end - 1; at > 0 && c->ring.data[at - 1] != '\0';)
		at--;
	return c->ring.data + at;
}

/*
 * Where the interesting part ends: behind a kernel's reason for its panic, if there is one. Of what
 * follows it, registers and a call trace, one line of an error has no use.
 */
static size_t telling_end(const struct console *c)
{
	static const char panic[] = "Kernel panic - not syncing";

	for (size_t at = 0; at < c->ring.len; at += strlen(c->ring.data + at) + 1)
		if (strstr(c->ring.data + at, panic))
			return at + strlen(c->ring.data + at) + 1;
	return c->ring.len;
}

void console_tail(const struct console *c, size_t max, struct buf *out)
{
	static const char joint[] = " | ";
	size_t end = telling_end(c);
	size_t unfinished = end == c->ring.len ? c->line_len : 0;
	size_t begin = end;
	size_t used = unfinished;
	size_t start = out->len;
	bool first = true;

	/* Back from the newest while they fit, then forward. The newest is there even if cut. */
	for (const char *l; (l = line_before(c, begin));) {
		size_t n = strlen(l) + (used > 0 ? strlen(joint) : 0);

		if (used > 0 && used + n > max)
			break;
		used += n;
		begin = (size_t)(l - c->ring.data);
	}
	for (size_t at = begin; at < end; at += strlen(c->ring.data + at) + 1) {
		const char *l = c->ring.data + at;
		size_t n = strlen(l);

		buf_addf(out, "%s%.*s", first ? "" : joint, (int)(n < max ? n : max), l);
		first = false;
	}
	if (unfinished > 0)
		buf_addf(out, "%s%.*s", first ? "" : joint,
			 (int)(unfinished < max ? unfinished : max), c->line);

	/* The unfinished line was not looked at yet, and a cut may have split a character. */
	if (out->len > start) {
		out->len = start + keep_utf8(out->data + start, out->len - start);
		out->data[out->len] = '\0';
	}
}

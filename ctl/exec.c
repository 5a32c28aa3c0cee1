/* SPDX-License-Identifier: Apache-2.0 */
/*
 * huskctl exec: one command in a sandbox's guest, typed at the shell of the debug console. What the
 * command says stands between two marks that only the shell puts together: the echo of the typed line
 * has them in pieces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "config/config.h"
#include "ctl/command.h"
#include "ctl/console_socket.h"

#define LINE_MAX_BYTES 4000 /* a terminal takes lines of 4095, N_TTY_BUF_SIZE */
#define MARK_MAX       64
#define KEPT_MAX       (4 * LINE_MAX_BYTES) /* of what the guest says */
#define NO_SHELL       "husk-agent: "       /* what the agent says in place of a shell */

struct exchange {
	char begin[MARK_MAX], end[MARK_MAX];
	struct buf got; /* not yet looked at, or perhaps the beginning of a mark */
	bool begun;
};

/* In single quotes, which leave everything but themselves as it is. */
static int add_quoted(struct buf *line, const char *word, struct err *e)
{
	buf_addf(line, " '");
	for (const char *c = word; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, ERR_INVALID,
				       "'%s' has a control character, which a terminal takes for "
				       "itself",
				       word);
		if (*c == '\'')
			buf_addf(line, "'\\''");
		else
			buf_add(line, c, 1);
	}
	buf_addf(line, "'");
	return 0;
}

static int type_command(int console, char *const *words, struct exchange *x, struct err *e)
{
	auto_buf struct buf line = BUF_INIT;
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return err_sys(e, errno, "getrandom");
	(void)snprintf(x->begin, sizeof(x->begin), "husk-begin-%016" PRIx64, number);
	(void)snprintf(x->end, sizeof(x->end), "husk-end-%016" PRIx64 " ", number);
	buf_addf(&line, "printf '%%s%%s\\n' husk- begin-%016" PRIx64 ";", number);
	for (char *const *word = words; *word; word++)
		if (add_quoted(&line, *word, e) < 0)
			return -1;
	buf_addf(&line, " </dev/null; printf '%%s%%s %%d\\n' husk- end-%016" PRIx64 " $?\n",
		 number);
	if (line.len > LINE_MAX_BYTES)
		return err_set(e, ERR_INVALID, "the command is too long for a terminal (%zu bytes)",
			       line.len);
	return write_all(console, line.data, line.len) < 0 ? err_sys(e, errno, "write") : 0;
}

static void drop(struct buf *b, size_t n)
{
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

/* The first n bytes, with the ends of lines as they were before the terminal; a byte follows them. */
static int print(struct exchange *x, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (x->got.data[i] != '\r' || x->got.data[i + 1] != '\n')
			(void)putchar(x->got.data[i]);
	drop(&x->got, n);
	return fflush(stdout) < 0 ? err_sys(e, errno, "write") : 0;
}

/* What may still become a mark stays. */
static size_t without_beginning_of(const struct exchange *x, const char *mark)
{
	size_t keep = strlen(mark);

	return x->got.len > keep ? x->got.len - keep : 0;
}

static int look_for_begin(struct exchange *x, struct err *e)
{
	char *at = memmem(x->got.data, x->got.len, x->begin, strlen(x->begin));
	char *line_end;

	if (strncmp(x->got.data, NO_SHELL, strlen(NO_SHELL)) == 0 && strchr(x->got.data, '\n'))
		return err_set(e, ERR_NOT_FOUND, "%.*s", (int)strcspn(x->got.data, "\r\n"),
			       x->got.data);
	line_end = at ? strchr(at, '\n') : NULL;
	if (line_end) {
		drop(&x->got, (size_t)(line_end + 1 - x->got.data));
		x->begun = true;
	} else if (!at && x->got.len > LINE_MAX_BYTES * 2) {
		drop(&x->got, without_beginning_of(x, x->begin));
	}
	return 0;
}

/* 1: the command has ended, with *ret_code. */
static int look_for_end(struct exchange *x, int *ret_code, struct err *e)
{
	char *at = memmem(x->got.data, x->got.len, x->end, strlen(x->end));
	uint64_t code;
	char *digits, *line_end;

	if (!at)
		return print(x, without_beginning_of(x, x->end), e);
	digits = at + strlen(x->end);
	line_end = strpbrk(digits, "\r\n");
	if (!line_end)
		return 0;
	*line_end = '\0';
	if (!num_u64(digits, 10, &code) || code > 255)
		return err_set(e, ERR_INVALID, "the guest's shell says '%.20s' for an exit code",
			       digits);
	*ret_code = (int)code;
	return print(x, (size_t)(at - x->got.data), e) < 0 ? -1 : 1;
}

static int follow(int console, struct exchange *x, int *ret_code, struct err *e)
{
	int r = 0;

	while (r == 0) {
		char bytes[4096];
		ssize_t n = read(console, bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read from the console");
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE,
				       "the console ended before the command did");
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != '\0')
				buf_add(&x->got, &bytes[i], 1);
		if (x->got.len > 0 && !x->begun)
			r = look_for_begin(x, e);
		if (r == 0 && x->got.len > 0 && x->begun)
			r = look_for_end(x, ret_code, e);
		if (r == 0 && x->got.len > KEPT_MAX)
			r = err_set(e, ERR_EXHAUSTED,
				    "the guest's console says a line without an end");
	}
	return r < 0 ? -1 : 0;
}

int command_exec(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	auto_close int console = -1;
	struct exchange x = { .got = BUF_INIT };
	struct err e = ERR_INIT;
	int code = 1, r = config_load(args->config, &config, &e);

	if (r == 0) {
		console = console_connect(config, args->name, &e);
		r = console < 0 ? -1 : type_command(console, args->words, &x, &e);
	}
	if (r == 0)
		r = follow(console, &x, &code, &e);
	free(x.got.data);
	if (r < 0) {
		fprintf(stderr, "huskctl: %s\n", e.text);
		return 1;
	}
	return code;
}

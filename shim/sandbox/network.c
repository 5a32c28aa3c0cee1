/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest is told of its network: interfaces that came late, the resolver's file. */
#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "shim/sandbox/state.h"

#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLV_CONF_MAX (64u << 10) /* bytes */
#define DNS_LINES_MAX   64          /* that an agent takes */

int sandbox_update_network(struct sandbox *s, struct deadline d, struct err *e)
{
	int r;

	if (!sandbox_alive(s))
		return 0; /* whoever starts something in it is told so */
	sandbox_enter(s);
	s->wiring++;
	r = network_update(s->network, s->hv, s->agent, sandbox_request_deadline(s, d), e);
	s->wiring--;
	sandbox_leave(s);
	return r < 0 ? sandbox_explain(s, e) : 0;
}

int sandbox_dns(const struct oci_spec *spec, char ***ret, struct err *e)
{
	auto_free char *text = NULL;
	const char *source = NULL;
	char **lines = NULL;
	char *next;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (strcmp(spec->mounts[i].destination, RESOLV_CONF) == 0)
			source = spec->mounts[i].source;
	*ret = NULL;
	if (!source)
		return 0;
	if (file_read(AT_FDCWD, source, RESOLV_CONF_MAX, &text, NULL, e) < 0)
		return -1;
	next = text;
	for (char *line;
	     (line = strsep(&next, "\n")) && strv_len((const char *const *)lines) < DNS_LINES_MAX;)
		if (*line != '\0')
			strv_add(&lines, line);
	*ret = lines;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook is told (runtime-spec, runtime.md, "State"); pure. */
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/hooks.h"

/* {"key":"value",...} */
static char *annotations_text(const struct hook_state *s)
{
	auto_buf struct buf all = BUF_INIT;

	buf_addf(&all, "{");
	for (size_t i = 0; i < s->n_annotations; i++) {
		auto_free char *key = json_quote(s->annotations[i].key);
		auto_free char *value = json_quote(s->annotations[i].value);

		buf_addf(&all, "%s%s:%s", i > 0 ? "," : "", key, value);
	}
	buf_addf(&all, "}");
	return take_ptr(all.data);
}

char *hook_state_text(const struct hook_state *s)
{
	auto_free char *annotations = annotations_text(s);
	auto_free char *pid = s->pid > 0 ? xasprintf("%d", (int)s->pid) : NULL;

	return json_object("s:ociVersion", s->version, "s:id", s->id, "s:status", s->status,
			   "o:pid", pid, "s:bundle", s->bundle, "o:annotations", annotations, NULL);
}

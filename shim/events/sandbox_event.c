/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a sandbox's death; see sandbox_event.h. */
#include "shim/events/sandbox_event.h"

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/rpc/status.h"
#include "proto/any.h"
#include "status.pb-c.h"

#define DOMAIN         "io.containerd.husk.v2" /* containerd's name of this runtime */
/* Inside a Status it is protobuf's libraries that read the name, and they want it with a slash. */
#define ERROR_INFO_URL "type.googleapis.com/google.rpc.ErrorInfo"

typedef Google__Rpc__ErrorInfo__MetadataEntry Metadata;

static void add(Google__Rpc__ErrorInfo *info, const char *key, char *value)
{
	Metadata *entry = xmalloc(sizeof(*entry));

	google__rpc__error_info__metadata_entry__init(entry);
	entry->key = xstrdup(key);
	entry->value = value;
	info->metadata = xrealloc(info->metadata, (info->n_metadata + 1) * sizeof(Metadata *));
	info->metadata[info->n_metadata++] = entry;
}

static Google__Rpc__ErrorInfo *describe(const struct sandbox_died_event *ev)
{
	Google__Rpc__ErrorInfo *info = xmalloc(sizeof(*info));
	int code = ev->process.exit_code;

	google__rpc__error_info__init(info);
	info->reason = xstrdup(ev->reason);
	info->domain = xstrdup(DOMAIN);
	add(info, "sandbox_id", xstrdup(ev->sandbox_id));
	if (!ev->process.name)
		return info;
	add(info, "process", xstrdup(ev->process.name));
	add(info, "pid", xasprintf("%d", (int)ev->process.pid));
	if (code > 128)
		add(info, "signal", xasprintf("%d", code - 128));
	else
		add(info, "exit_code", xasprintf("%d", code));
	return info;
}

void event_sandbox_died(struct publisher *p, const struct sandbox_died_event *ev)
{
	Google__Rpc__ErrorInfo *info = describe(ev);
	Google__Protobuf__Any *detail = any_pack(&info->base);
	auto_free char *text = xstrdup(ev->text);
	Google__Rpc__Status status;

	free(detail->type_url);
	detail->type_url = xstrdup(ERROR_INFO_URL);
	utf8_clean(text);
	google__rpc__status__init(&status);
	status.code = (int32_t)RPC_UNAVAILABLE;
	status.message = text;
	status.details = &detail;
	status.n_details = 1;
	publisher_send(p, SANDBOX_DIED_TOPIC, &status.base);
	google__protobuf__any__free_unpacked(detail, NULL);
	google__rpc__error_info__free_unpacked(info, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: whatever parses becomes a message that comes back from its own bytes as it was. The
 * same text is also tried as the process of an exec and the resources of an update.
 */
#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/to_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the message over. */
static void check_message(ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	auto_free uint8_t *packed = xmalloc(len + 1);
	auto_free uint8_t *again = xmalloc(len + 1);
	ProtobufCMessage *back;

	if (protobuf_c_message_pack(m, packed) != len)
		abort();
	back = protobuf_c_message_unpack(m->descriptor, NULL, len, packed);
	if (!back || protobuf_c_message_get_packed_size(back) != len)
		abort();
	(void)protobuf_c_message_pack(back, again);
	if (memcmp(packed, again, len) != 0)
		abort();
	protobuf_c_message_free_unpacked(back, NULL);
	protobuf_c_message_free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_oci_process struct oci_process *process = NULL;
	auto_oci_resources struct oci_resources *resources = NULL;
	const char *text = (const char *)data;
	struct err e = ERR_INIT;

	if (oci_spec_parse(text, size, &spec, &e) == 0) {
		strv_free(oci_spec_not_carried(spec));
		check_message(&oci_spec_to_agent(spec)->base);
	} else if (e.code == ERR_NONE || !e.text[0]) {
		abort();
	}
	if (oci_process_parse(text, size, &process, &e) == 0)
		check_message(&oci_process_to_agent(process)->base);
	if (oci_resources_parse(text, size, &resources, &e) == 0)
		check_message(&oci_resources_to_agent(resources)->base);
	return 0;
}

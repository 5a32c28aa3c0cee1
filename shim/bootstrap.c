/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output of `start`; see bootstrap.h. */
#include "shim/bootstrap.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"

void bootstrap_decode(const uint8_t *input, size_t len, const char *id, const char *ns,
		      struct bootstrap *ret)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapParams *params;

	*ret = BOOTSTRAP_INIT;
	if (len == 0)
		return;

	params = containerd__runtime__bootstrap__v1__bootstrap_params__unpack(NULL, len, input);
	if (params && strcmp(params->instance_id, id) == 0 && strcmp(params->namespace_, ns) == 0) {
		ret->params = params;
		for (size_t i = 0; i < params->n_extensions && !ret->options; i++)
			ret->options = params->extensions[i]->value;
		return;
	}
	if (params)
		containerd__runtime__bootstrap__v1__bootstrap_params__free_unpacked(params, NULL);
	ret->options = google__protobuf__any__unpack(NULL, len, input);
}

void bootstrap_done(struct bootstrap *b)
{
	if (b->params)
		containerd__runtime__bootstrap__v1__bootstrap_params__free_unpacked(b->params,
										    NULL);
	else if (b->options)
		google__protobuf__any__free_unpacked(b->options, NULL);
	*b = BOOTSTRAP_INIT;
}

char *bootstrap_answer(const struct bootstrap *b, const char *socket_path)
{
	char *address = xasprintf("unix://%s", socket_path);
	char *json;

	if (!b->params)
		return address;
	json = json_object("i:version", 3LL, "s:address", address, "s:protocol", "ttrpc", NULL);
	free(address);
	return json;
}

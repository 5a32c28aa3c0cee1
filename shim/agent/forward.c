/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that carry connections to servers in the guest: husk.Forward. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "husk.pb-c.h"
#include "shim/agent/connection.h"

static int call(struct agent *a, const char *method, const void *req, void *ret_resp,
		struct deadline d, struct err *e)
{
	return agent_service_call(a, &husk__forward__descriptor, method, req, ret_resp, d, e);
}

int agent_forward_connect(struct agent *a, uint16_t port, struct deadline d, uint64_t *ret_id,
			  struct err *e)
{
	Husk__ConnectRequest req;
	Husk__ConnectResponse *resp = NULL;

	husk__connect_request__init(&req);
	req.port = port;
	if (call(a, "Connect", &req, &resp, d, e) < 0)
		return -1;
	*ret_id = resp->id;
	husk__connect_response__free_unpacked(resp, NULL);
	return 0;
}

int agent_forward_receive(struct agent *a, uint64_t id, uint32_t max, uint8_t **ret_data,
			  size_t *ret_len, struct err *e)
{
	Husk__ReceiveRequest req;
	Husk__ReceiveResponse *resp = NULL;

	husk__receive_request__init(&req);
	req.id = id;
	req.max = max;
	if (call(a, "Receive", &req, &resp, DEADLINE_NEVER, e) < 0)
		return -1;
	*ret_len = resp->data.len;
	*ret_data = take_ptr(resp->data.data);
	resp->data.len = 0;
	husk__receive_response__free_unpacked(resp, NULL);
	return 0;
}

int agent_forward_send(struct agent *a, uint64_t id, const void *data, size_t len, bool end,
		       struct err *e)
{
	Husk__SendRequest req;

	husk__send_request__init(&req);
	req.id = id;
	req.data.data = (uint8_t *)(uintptr_t)data;
	req.data.len = len;
	req.end = end;
	return call(a, "Send", &req, NULL, DEADLINE_NEVER, e);
}

int agent_forward_disconnect(struct agent *a, uint64_t id, struct deadline d, struct err *e)
{
	Husk__DisconnectRequest req;

	husk__disconnect_request__init(&req);
	req.id = id;
	return call(a, "Disconnect", &req, NULL, d, e);
}

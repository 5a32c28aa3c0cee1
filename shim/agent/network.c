/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the guest's network (agent-protocol 3.13). */
#include "shim/agent/connection.h"

int agent_update_interface(struct agent *a, Types__Interface *i, struct deadline d, struct err *e)
{
	Grpc__UpdateInterfaceRequest req;

	grpc__update_interface_request__init(&req);
	req.interface = i;
	return agent_call(a, "UpdateInterface", &req, NULL, d, e);
}

int agent_update_routes(struct agent *a, Types__Route **route, size_t n, struct deadline d,
			struct err *e)
{
	Grpc__UpdateRoutesRequest req;
	Grpc__Routes routes;

	grpc__routes__init(&routes);
	routes.routes = route;
	routes.n_routes = n;
	grpc__update_routes_request__init(&req);
	req.routes = &routes;
	return agent_call(a, "UpdateRoutes", &req, NULL, d, e);
}

int agent_add_neighbors(struct agent *a, Types__ARPNeighbor **neighbor, size_t n, struct deadline d,
			struct err *e)
{
	Grpc__AddARPNeighborsRequest req;
	Grpc__ARPNeighbors neighbors;

	grpc__arpneighbors__init(&neighbors);
	neighbors.arpneighbors = neighbor;
	neighbors.n_arpneighbors = n;
	grpc__add_arpneighbors_request__init(&req);
	req.neighbors = &neighbors;
	return agent_call(a, "AddARPNeighbors", &req, NULL, d, e);
}

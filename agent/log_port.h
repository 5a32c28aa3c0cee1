/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LOG_PORT_H
#define HUSK_AGENT_LOG_PORT_H

/*
 * The log on a vsock port (agent.log_vport; agent-protocol 1.6): one host at a time gets the JSON lines
 * from the moment it connects, besides those that go to the console. One that does not keep up loses
 * whole lines.
 */
#define LOG_PORT_BUFFER_MAX (256u << 10) /* bytes not yet sent */

/* A fiber_fn, until it is cancelled; `options` is a const struct agent_options with a port. */
void log_port_serve(void *options);

#endif

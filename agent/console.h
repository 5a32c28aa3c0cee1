/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CONSOLE_H
#define HUSK_AGENT_CONSOLE_H

/*
 * The debug console (agent.debug_console): a shell of the guest on a terminal of its own for whoever
 * connects. On vsock there may be several; on the virtio-serial port CONSOLE_SERIAL_NAME there is one, and
 * a new shell follows one that ends. docs/debugging.md.
 */
#define CONSOLE_SERIAL_NAME "husk.console"
#define CONSOLES_MAX        16u /* at once, on vsock */

/* A fiber_fn, until it is cancelled; `options` is a const struct agent_options. */
void console_serve(void *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a sandbox's debug console; see console_socket.h. */
#include "ctl/console_socket.h"

#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/unix.h"
#include "ctl/sandboxes.h"

#define CONSOLE_SOCKET "vm/console.sock" /* made by the driver of the hypervisor */

int console_connect(const struct config *c, const char *name, struct err *e)
{
	auto_free char *dir = NULL, *path = NULL;

	if (sandboxes_find(c->runtime.state_dir, name, &dir, e) < 0)
		return -1;
	path = path_join(dir, CONSOLE_SOCKET);
	if (access(path, F_OK) < 0)
		return err_set(e, ERR_NOT_FOUND,
			       "sandbox '%s' has no console (no %s): set debug_console_enabled = "
			       "true in [agent.husk] before it is started",
			       name, path);
	return unix_connect_fd(path, e);
}

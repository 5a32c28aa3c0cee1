/* SPDX-License-Identifier: Apache-2.0 */
/* A network namespace for each test; see netns_case.h. */
#include "tests/unit/shim/netns_case.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"

char tcfilter[] = "tcfilter", macvtap[] = "macvtap";
struct netns_case t;

char *in_netns(const char *command)
{
	static char text[8192];
	int out[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		if (setns(t.fd, CLONE_NEWNET) == 0)
			(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(out[1]);
	n = read_full(out[0], text, sizeof(text) - 1);
	(void)close(out[0]);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: exit status %d", command, status);
	return text;
}

void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in \"%s\"", part, text);
}

void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in \"%s\"", part, text);
}

int set_up(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	t.keeper = fork();
	if (t.keeper == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0)
			(void)!write(ready[1], "", 1);
		(void)pause();
		_exit(0);
	}
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	(void)close(ready[0]);
	(void)snprintf(t.path, sizeof(t.path), "/proc/%d/ns/net", (int)t.keeper);
	t.fd = open(t.path, O_RDONLY | O_CLOEXEC);
	t.config = (struct config){ .hypervisor.network_queues = 1,
				    .runtime.internetworking_model = tcfilter };
	if (t.fd < 0)
		return -1;
	(void)in_netns("ip link set lo up && ip link add eth0 address 02:00:00:00:00:01 mtu 1400 "
		       "type veth peer name far address 02:00:00:00:00:02 && "
		       "ip link set far arp off up && ip link set eth0 up");
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	(void)close(t.fd);
	(void)kill(t.keeper, SIGKILL);
	(void)waitpid(t.keeper, NULL, 0);
	return 0;
}

static bool program_is_there(const char *name)
{
	static const char *const places[] = { "/sbin", "/usr/sbin", "/bin", "/usr/bin" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path = xasprintf("%s/%s", places[i], name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

bool netns_case_possible(void)
{
	if (geteuid() == 0 && program_is_there("ip") && program_is_there("tc") &&
	    access("/dev/net/tun", R_OK | W_OK) == 0)
		return true;
	(void)puts("skipped: needs root, ip(8), tc(8) and /dev/net/tun");
	return false;
}

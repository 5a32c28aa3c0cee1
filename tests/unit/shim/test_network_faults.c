/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each step of giving a guest its network fails in turn: nothing of it stays. What the kernel is asked for,
 * the machine and the agent are counted; the n-th is refused. The linker puts the functions below in the
 * place of the real ones (--wrap; the list is in sandbox.mk).
 */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <netlink/errno.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "hypervisor/hypervisor.h"
#include "shim/net/network.h"
#include "tests/unit/shim/netns_case.h"

/* Worker threads count too. */
static struct {
	atomic_int at;    /* which one fails, the first is 1; 0: none */
	atomic_int count; /* so far */
	const char *name; /* of the one that failed */
} fault;

static bool fails(const char *name)
{
	if (atomic_fetch_add(&fault.count, 1) + 1 != atomic_load(&fault.at))
		return false;
	fault.name = name;
	return true;
}

/* ---- The kernel ---- */

#define WRAP(name, failure, declared, passed)                           \
	int __real_##name declared;                                     \
	int __wrap_##name declared;                                     \
	int __wrap_##name declared                                      \
	{                                                               \
		errno = EIO;                                            \
		return fails(#name) ? (failure) : __real_##name passed; \
	}

WRAP(nl_connect, -NLE_FAILURE, (struct nl_sock * sock, int protocol), (sock, protocol))
WRAP(rtnl_link_alloc_cache, -NLE_FAILURE,
     (struct nl_sock * sock, int family, struct nl_cache **ret), (sock, family, ret))
WRAP(rtnl_link_get_kernel, -NLE_FAILURE,
     (struct nl_sock * sock, int index, const char *name, struct rtnl_link **ret),
     (sock, index, name, ret))
WRAP(rtnl_link_add, -NLE_FAILURE, (struct nl_sock * sock, struct rtnl_link *link, int flags),
     (sock, link, flags))
WRAP(rtnl_link_change, -NLE_FAILURE,
     (struct nl_sock * sock, struct rtnl_link *from, struct rtnl_link *to, int flags),
     (sock, from, to, flags))
WRAP(rtnl_qdisc_add, -NLE_FAILURE, (struct nl_sock * sock, struct rtnl_qdisc *qdisc, int flags),
     (sock, qdisc, flags))
WRAP(rtnl_cls_add, -NLE_FAILURE, (struct nl_sock * sock, struct rtnl_cls *cls, int flags),
     (sock, cls, flags))
WRAP(fsopen, -1, (const char *type, unsigned flags), (type, flags))
WRAP(fsmount, -1, (int fd, unsigned flags, unsigned attributes), (fd, flags, attributes))
WRAP(mknodat, -1, (int dir, const char *path, mode_t mode, dev_t dev), (dir, path, mode, dev))

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	errno = EIO;
	return fails("ioctl") ? -1 : __real_ioctl(fd, request, arg);
}

/* ---- The agent ---- */

#define WRAP_CALL(name, declared)                                   \
	int __wrap_##name declared;                                 \
	int __wrap_##name declared                                  \
	{                                                           \
		fiber_yield();                                      \
		if (fails(#name))                                   \
			return err_set(e, ERR_INTERNAL, "refused"); \
		return 0;                                           \
	}

#define UNUSED __attribute__((unused))
WRAP_CALL(agent_update_interface, (UNUSED struct agent * a, UNUSED Types__Interface *i,
				   UNUSED struct deadline d, struct err *e))
WRAP_CALL(agent_update_routes, (UNUSED struct agent * a, UNUSED Types__Route **route,
				UNUSED size_t n, UNUSED struct deadline d, struct err *e))
WRAP_CALL(agent_add_neighbors, (UNUSED struct agent * a, UNUSED Types__ARPNeighbor **neighbor,
				UNUSED size_t n, UNUSED struct deadline d, struct err *e))

/* ---- The machine ---- */

static struct hv_device {
	int fd; /* a copy, as QEMU has one */
} cards[HV_NICS_MAX];
static int n_cards;

int hv_plug_nic(struct hv *hv, const struct hv_nic *nic, const char *name, struct deadline d,
		struct hv_device **ret, struct err *e)
{
	(void)hv;
	(void)d;
	if (fails("hv_plug_nic"))
		return err_set(e, ERR_INTERNAL, "plug network interface '%s': refused", name);
	cards[n_cards].fd = fcntl(nic->tap_fds[0], F_DUPFD_CLOEXEC, 3);
	*ret = &cards[n_cards++];
	return 0;
}

int hv_unplug(struct hv *hv, struct hv_device *dev, struct deadline d, struct err *e)
{
	(void)hv;
	(void)d;
	(void)e;
	n_cards--;
	return close(dev->fd);
}

const char *hv_device_address(const struct hv_device *dev)
{
	(void)dev;
	return "02/00";
}

const char *hv_nic_address(const struct hv *hv, size_t nic)
{
	(void)hv;
	(void)nic;
	return "10";
}

/* ---- The tests ---- */

#define ROUTES                                            \
	"ip route replace 203.0.113.0/24 via 192.0.2.9; " \
	"ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent"

static char dir[] = "/tmp/husk-test-network-XXXXXX";

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

/* Everything but what counts by itself. */
static char *look(void)
{
	return xstrdup(in_netns("ip -d link; ip -4 address; ip route; tc qdisc; "
				"tc filter show dev eth0 ingress; "
				"tc filter show dev net1 ingress"));
}

static struct oci_namespace namespace;
static const struct oci_spec spec = { .linux.namespaces = &namespace, .linux.n_namespaces = 1 };

static int start(struct undo *u, struct network **ret, struct err *e)
{
	return network_start(&t.config, &spec, "sandbox", dir, u, ret, e);
}

/* What a sandbox does that has its links from the beginning. */
static int links_at_boot(struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	struct hv_nic nics[HV_NICS_MAX];
	struct network *n = NULL;
	int r;

	if (start(&u, &n, e) < 0)
		return -1;
	assert_int_equal(network_nics(n, nics), 2);
	network_handed_over(n);
	r = network_tell_guest(n, NULL, NULL, deadline_in_ms(PATIENCE_MS), e);
	fault.at = 0; /* what takes back is another test's */
	return r;
}

/* And one that gets them later. After a failure it lives on, and may try again. */
static int links_that_come_later(struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	int at = atomic_exchange(&fault.at, 0);
	struct network *n = NULL;
	struct err unexpected = ERR_INIT;
	int r;

	(void)in_netns("ip link set eth0 down; ip link set net1 down");
	assert_ok(start(&u, &n, &unexpected), &unexpected);
	(void)in_netns("ip link set eth0 up; ip link set net1 up; " ROUTES);
	fault.count = 0;
	fault.at = at;
	r = network_update(n, NULL, NULL, deadline_in_ms(PATIENCE_MS), e);
	fault.at = 0;
	if (r < 0) {
		assert_int_equal(n_cards, 0);
		assert_lacks(in_netns("ip link"), "husk-tap");
		assert_ok(network_update(n, NULL, NULL, deadline_in_ms(PATIENCE_MS), &unexpected),
			  &unexpected);
	}
	assert_int_equal(n_cards, 2);
	while (n_cards > 0)
		(void)close(cards[--n_cards].fd); /* the machine ends */
	return r;
}

static int (*flow)(struct err *e);

static void fail_each(void *arg)
{
	auto_free char *before = NULL;
	struct err e = ERR_INIT;
	int failures = 0, descriptors;

	(void)arg;
	fault.at = 0;
	assert_ok(flow(&e), &e); /* once: what is made for good is there */
	before = look();
	descriptors = open_descriptors();
	for (int n = 1;; n++) {
		auto_free char *after = NULL;
		int r;

		e = ERR_INIT;
		fault.count = 0;
		fault.at = n;
		fault.name = NULL;
		r = flow(&e);
		fault.at = 0;
		if (!fault.name)
			break;
		failures += r < 0;
		if (r < 0 && !strstr(e.text, "network of the "))
			fail_msg("%d (%s): '%s'", n, fault.name, e.text);
		after = look();
		if (strcmp(after, before) != 0)
			fail_msg("%d (%s) leaves\n%s\nnot\n%s", n, fault.name, after, before);
		if (open_descriptors() != descriptors)
			fail_msg("%d (%s): %d descriptors, not %d", n, fault.name,
				 open_descriptors(), descriptors);
	}
	print_message("%d steps failed\n", failures);
	assert_true(failures >= 12);
}

/* Whose other ends are down, or they would be links of the guest as well. */
static void run(int (*what)(struct err *e), char *model)
{
	namespace = (struct oci_namespace){ .type = (char *)(uintptr_t) "network", .path = t.path };
	t.config.runtime.internetworking_model = model;
	t.config.runtime.dan_conf = (char *)(uintptr_t) "";
	(void)in_netns(
		"ip address add 192.0.2.2/24 dev eth0 && ip link set far down && "
		"ip link add net1 type veth peer name far1 && ip link set net1 up && " ROUTES);
	flow = what;
	fiber_main(fail_each, NULL);
}

static void at_boot_with_filters(void **state)
{
	(void)state;
	run(links_at_boot, tcfilter);
}

static void at_boot_with_macvtap(void **state)
{
	(void)state;
	if (access("/sys/class/macvtap", F_OK) == 0)
		run(links_at_boot, macvtap);
}

static void later_with_filters(void **state)
{
	(void)state;
	run(links_that_come_later, tcfilter);
}

static void later_with_macvtap(void **state)
{
	(void)state;
	if (access("/sys/class/macvtap", F_OK) == 0)
		run(links_that_come_later, macvtap);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(at_boot_with_filters),
		TEST(at_boot_with_macvtap),
		TEST(later_with_filters),
		TEST(later_with_macvtap),
	};
	auto_free char *record = NULL;
	int failed;

	if (!netns_case_possible())
		return SKIPPED;
	if (!mkdtemp(dir))
		return 1;
	log_set_level(LOG_LEVEL_ERROR);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	record = xasprintf("%s/network.json", dir);
	(void)unlink(record);
	(void)rmdir(dir);
	return failed;
}

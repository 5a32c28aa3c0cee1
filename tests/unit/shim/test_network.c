/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim/net against the kernel: what is read of a network namespace, the way of a frame between a link
 * and a tap, what is left afterwards. Each test has a namespace of its own, kept by a child process;
 * skipped without root or without ip(8) and tc(8).
 */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netlink/route/link.h>
#include <netlink/route/link/ipvlan.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "shim/net/endpoint.h"
#include "shim/net/host_ipv6.h"
#include "shim/net/netns.h"
#include "shim/net/network.h"
#include "shim/net/record.h"
#include "shim/net/scan.h"
#include "shim/net/steer.h"
#include "tests/unit/shim/netns_case.h"

static void assert_refused(const struct err *e, enum err_code code, const char *part)
{
	assert_int_equal(e->code, code);
	assert_has(e->text, part);
}

/* ---- Scan ---- */

static int scan(void *arg, struct err *e)
{
	return net_scan(arg, e);
}

static const struct net_link *link_called(const struct net_scan *s, const char *name)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (strcmp(s->link[i].name, name) == 0)
			return &s->link[i];
	fail_msg("no link '%s'", name);
	return NULL;
}

static const Types__Route *route_to(const struct net_scan *s, const char *dest)
{
	for (size_t i = 0; i < s->n_routes; i++)
		if (strcmp(s->route[i]->dest, dest) == 0)
			return s->route[i];
	fail_msg("no route to '%s'", dest);
	return NULL;
}

static void reads_what_there_is(void **state)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	const struct net_link *eth0;
	const Types__Route *route;
	struct err e = ERR_INIT;

	(void)state;
	(void)in_netns(
		"ip link add br0 type bridge && ip link set br0 up && "
		"ip link add down type veth peer name down2 && "
		"ip addr add 192.0.2.2/24 dev eth0 && ip addr add 2001:db8::2/64 dev eth0 nodad && "
		"ip route add default via 192.0.2.1 mtu 1300 && "
		"ip route add 203.0.113.0/24 via 192.0.2.9 src 192.0.2.2 && "
		"ip route add 198.51.100.0/24 dev eth0 scope link && "
		"ip route add 100.64.0.0/10 dev br0 && "
		"ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent && "
		"ip neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev eth0 nud stale");
	assert_ok(netns_run_here(t.fd, scan, &s, &e), &e);

	assert_int_equal(s.n_links, 2); /* not lo, not the bridge, not what is down */
	eth0 = link_called(&s, "eth0");
	assert_string_equal(eth0->kind, "veth");
	assert_int_equal(eth0->mtu, 1400);
	assert_string_equal(eth0->interface->hwaddr, "02:00:00:00:00:01");
	assert_int_equal(eth0->interface->raw_flags, 0);
	assert_int_equal(link_called(&s, "far")->interface->raw_flags, IFF_NOARP);
	assert_int_equal(eth0->interface->n_ipaddresses, 2); /* and not fe80::… */
	assert_string_equal(eth0->interface->ipaddresses[0]->address, "192.0.2.2");
	assert_string_equal(eth0->interface->ipaddresses[0]->mask, "24");
	assert_string_equal(eth0->interface->ipaddresses[1]->address, "2001:db8::2");
	assert_int_equal(eth0->interface->ipaddresses[1]->family, TYPES__IPFAMILY__v6);

	assert_int_equal(s.n_routes, 3); /* not those that come with an address */
	route = route_to(&s, "");
	assert_string_equal(route->gateway, "192.0.2.1");
	assert_string_equal(route->device, "eth0");
	assert_int_equal(route->mtu, 1300);
	assert_string_equal(route_to(&s, "203.0.113.0/24")->source, "192.0.2.2");
	assert_int_equal(route_to(&s, "198.51.100.0/24")->scope, 253); /* RT_SCOPE_LINK */

	assert_int_equal(s.n_neighbors, 1);
	assert_string_equal(s.neighbor[0]->toipaddress->address, "192.0.2.77");
	assert_string_equal(s.neighbor[0]->lladdr, "02:00:00:00:00:77");
}

/* The protocol has no metrics: there is one, and it is the kernel's first choice. */
static void of_several_routes_takes_the_lowest_metric(void **state)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	struct err e = ERR_INIT;

	(void)state;
	(void)in_netns(
		"ip link add br0 type bridge && ip link set br0 up && "
		"ip addr add 192.0.2.2/24 dev eth0 && ip addr add 2001:db8::2/64 dev eth0 nodad && "
		"ip route add default via 192.0.2.1 metric 200 && "
		"ip route add default via 192.0.2.3 metric 100 && "
		"ip route add default via 192.0.2.4 metric 300 && "
		"ip route add default dev br0 metric 50 && " /* no link of the guest's */
		"ip -6 route add default via 2001:db8::1 metric 2000 && "
		"ip -6 route add default via 2001:db8::3 metric 100 && "
		/* a direct one is set first in a guest, whatever it is worth */
		"ip route add 203.0.113.0/24 via 192.0.2.9 metric 20 && "
		"ip route add 203.0.113.0/24 dev far metric 10 && "
		"ip route add 203.0.113.0/25 via 192.0.2.9 metric 30 && "
		/* the first of equals */
		"ip route add 198.51.100.0/24 via 192.0.2.5 && "
		"ip route append 198.51.100.0/24 via 192.0.2.6 && "
		/* what comes with the address is better, and the guest has that */
		"ip route add 192.0.2.0/24 dev far metric 100 && "
		"ip route add 100.64.0.0/10 tos 0x10 via 192.0.2.7");
	assert_ok(netns_run_here(t.fd, scan, &s, &e), &e);

	assert_int_equal(s.n_routes, 5);
	for (size_t i = 0; i < s.n_routes; i++)
		if (s.route[i]->dest[0] == '\0')
			assert_string_equal(s.route[i]->gateway,
					    s.route[i]->family == TYPES__IPFAMILY__v6
						    ? "2001:db8::3"
						    : "192.0.2.3");
	assert_string_equal(route_to(&s, "203.0.113.0/24")->device, "far");
	assert_string_equal(route_to(&s, "203.0.113.0/25")->gateway, "192.0.2.9");
	assert_string_equal(route_to(&s, "198.51.100.0/24")->gateway, "192.0.2.5");
}

/* A kernel without ipvlan cannot make this one: it is put into the list that the kernel gave. */
static struct rtnl_link *also_listed;

int __real_rtnl_link_alloc_cache(struct nl_sock *sock, int family, struct nl_cache **ret);
int __wrap_rtnl_link_alloc_cache(struct nl_sock *sock, int family, struct nl_cache **ret);
int __wrap_rtnl_link_alloc_cache(struct nl_sock *sock, int family, struct nl_cache **ret)
{
	int r = __real_rtnl_link_alloc_cache(sock, family, ret);

	if (r == 0 && also_listed)
		r = nl_cache_add(*ret, (struct nl_object *)also_listed);
	return r;
}

static int scan_with_ipvlan(uint16_t mode, unsigned flags, struct err *e)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	struct rtnl_link *l = rtnl_link_ipvlan_alloc();
	struct nl_addr *hardware = nl_addr_build(AF_LLC, "\2\0\0\0\0\7", ETH_ALEN);
	int r;

	rtnl_link_set_ifindex(l, 7777);
	rtnl_link_set_name(l, "eth7");
	rtnl_link_set_arptype(l, ARPHRD_ETHER);
	rtnl_link_set_addr(l, hardware);
	rtnl_link_set_flags(l, flags);
	assert_int_equal(rtnl_link_ipvlan_set_mode(l, mode), 0);
	also_listed = l;
	r = netns_run_here(t.fd, scan, &s, e);
	also_listed = NULL;
	if (r == 0 && (flags & IFF_UP))
		assert_string_equal(link_called(&s, "eth7")->kind, "ipvlan");
	nl_addr_put(hardware);
	rtnl_link_put(l);
	return r;
}

static void refuses_an_ipvlan_that_passes_no_frames(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(scan_with_ipvlan(IPVLAN_MODE_L2, IFF_UP, &e), &e);
	assert_ok(scan_with_ipvlan(IPVLAN_MODE_L3, IFF_UP | IFF_NOARP, &e), &e);
	assert_ok(scan_with_ipvlan(IPVLAN_MODE_L3S, 0, &e), &e); /* it is down: not for the guest */
	assert_err(scan_with_ipvlan(IPVLAN_MODE_L3S, IFF_UP | IFF_NOARP, &e), &e, ERR_UNSUPPORTED,
		   "link 'eth7' is an ipvlan in mode l3s");
}

static int find_ipv6(void *arg, struct err *e)
{
	return host_ipv6_link(arg, e);
}

static const char *ipv6_link(void)
{
	static char link[IFNAMSIZ];
	struct err e = ERR_INIT;

	assert_ok(netns_run_here(t.fd, find_ipv6, link, &e), &e);
	return link;
}

static void finds_the_way_to_ipv6(void **state)
{
	(void)state;
	(void)in_netns(
		"ip link set eth0 up && ip addr add fe80::9/64 dev eth0 nodad && "
		"ip addr add 2001:db8::2/64 dev eth0 nodad && ip route add default dev lo && "
		"ip -6 route add unreachable default metric 1");
	assert_string_equal(ipv6_link(), "");
	(void)in_netns("ip link set far up arp on && ip addr add fe80::8/64 dev far nodad && "
		       "ip -6 route add default via 2001:db8::1 dev eth0 metric 100 && "
		       "ip -6 route add default dev far metric 200");
	assert_string_equal(ipv6_link(), "eth0");
	(void)in_netns("ip -6 route add default via fe80::1 dev far metric 50");
	assert_string_equal(ipv6_link(), "far");
	/* as of a tunnel */
	(void)in_netns("ip -6 addr flush dev far scope link");
	assert_string_equal(ipv6_link(), "eth0");
	(void)in_netns("ip -6 addr flush dev eth0 scope link");
	assert_string_equal(ipv6_link(), "");
}

static void refuses_what_is_no_namespace_for_a_guest(void **state)
{
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	assert_err(netns_open("/proc/self/ns/net", &fd, &e), &e, ERR_INVALID, "is the host's");
	assert_err(netns_open("/proc/self/ns/mnt", &fd, &e), &e, ERR_INVALID,
		   "is no network namespace");
	assert_err(netns_open("/dev/null", &fd, &e), &e, ERR_INVALID, "is no network namespace");
	assert_err(netns_open("/no/such/file", &fd, &e), &e, ERR_NOT_FOUND, "/no/such/file");
}

/* ---- Endpoints ---- */

struct making {
	struct net_endpoint *ep;
	int far; /* raw socket on the other end of the veth */
};

static int make_endpoint(void *arg, struct err *e)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	struct making *m = arg;
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

	if (net_scan(&s, e) < 0)
		return -1;
	for (size_t i = 0; i < s.n_links; i++) {
		if (strcmp(s.link[i].name, "eth0") == 0 &&
		    net_endpoint_make(&s.link[i], &t.config, &m->ep, e) < 0)
			return -1;
	}
	m->far = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("far");
	return bind(m->far, (struct sockaddr *)&at, sizeof(at)) < 0 ? err_sys(e, errno, "bind") : 0;
}

static int take_endpoint_back(void *arg, struct err *e)
{
	struct making *m = arg;

	return net_endpoint_take_back(m->ep, e);
}

/* Until a frame with that text in it was read; others (the kernel's own) are passed over. */
static bool frame_arrives(int fd, const char *text)
{
	char frame[2048];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, PATIENCE_MS) > 0) {
		ssize_t n = read(fd, frame, sizeof(frame));

		if (n > 0 && memmem(frame, (size_t)n, text, strlen(text)))
			return true;
	}
	return false;
}

/* Of a protocol of nobody's (0x88b5, IEEE 802: local experiments): to all, to the link, to a group. */
#define FRAME(to)                             \
	to "\x02\x00\x00\x00\x00\x07\x88\xb5" \
	   "a frame of sixty bytes and some more for good measure......"
static const char frames[][76] = { FRAME("\xff\xff\xff\xff\xff\xff"),
				   FRAME("\x02\x00\x00\x00\x00\x01"),
				   FRAME("\x33\x33\xff\x00\x00\x02") };

static void check_frames(const struct making *m)
{
	char with_header[sizeof(struct virtio_net_hdr) + sizeof(frames[0])] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		assert_int_equal(write(m->far, frames[i], sizeof(frames[i])), sizeof(frames[i]));
		if (!frame_arrives(m->ep->tap_fds[0], "for good measure"))
			fail_msg("frame %zu does not arrive at the tap", i);
	}
	memcpy(with_header + sizeof(struct virtio_net_hdr), frames[0], sizeof(frames[0]));
	assert_int_equal(write(m->ep->tap_fds[0], with_header, sizeof(with_header)),
			 sizeof(with_header));
	assert_true(frame_arrives(m->far, "for good measure"));
}

static void carries_frames_both_ways(void **state)
{
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(netns_run_here(t.fd, make_endpoint, &m, &e), &e);
	assert_non_null(m.ep);
	assert_has(in_netns("ip -d link show"), "husk-tap");
	assert_has(in_netns("ip link show dev $(ip -o link | grep -o 'husk-tap[0-9]*')"),
		   "mtu 1400");
	assert_lacks(in_netns("ip address show dev $(ip -o link | grep -o 'husk-tap[0-9]*')"),
		     "inet6");
	assert_memory_equal(m.ep->hv_nic.mac, "\x02\x00\x00\x00\x00\x01", 6);
	assert_int_equal(m.ep->hv_nic.n_queues, 1);

	check_frames(&m);
	assert_ok(netns_run_here(t.fd, take_endpoint_back, &m, &e), &e);
	assert_lacks(in_netns("ip link"), "husk-tap");
	assert_lacks(in_netns("tc qdisc show dev eth0"), "ingress");
	net_endpoint_free(m.ep);
	(void)close(m.far);
}

/* False, and a word, where the kernel has none. */
static bool make_macvtap(struct making *m, struct err *e)
{
	t.config.runtime.internetworking_model = macvtap;
	if (netns_run_here(t.fd, make_endpoint, m, e) == 0)
		return true;
	if (e->code != ERR_UNSUPPORTED)
		fail_msg("%s", e->text);
	print_message("skipped: %s\n", e->text);
	return false;
}

#define SHOW_ALL "ip -d link show dev eth0; ip link; ip -4 address; ip -4 route"

/* The link below stays as it is, its addresses too. */
static void a_macvtap_carries_them_too(void **state)
{
	auto_free char *before = xstrdup(in_netns("ip addr add 192.0.2.2/24 dev eth0; " SHOW_ALL));
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;

	(void)state;
	t.config.hypervisor.network_queues = 2;
	if (!make_macvtap(&m, &e))
		return;
	assert_has(in_netns("ip -d link show type macvtap"), "mode passthru");
	assert_has(in_netns("ip -d link show type macvtap"), "mtu 1400");
	assert_lacks(in_netns("ip address show type macvtap"), "inet6");
	assert_lacks(in_netns("tc qdisc show"), "ingress");
	assert_memory_equal(m.ep->hv_nic.mac, "\x02\x00\x00\x00\x00\x01", 6);
	assert_int_equal(m.ep->hv_nic.n_queues, 2);
	assert_true(m.ep->tap_fds[1] >= 0);
	tap_close(&m.ep->tap_fds[1], 1); /* frames are spread over the queues that there are */
	check_frames(&m);

	assert_ok(netns_run_here(t.fd, take_endpoint_back, &m, &e), &e);
	assert_string_equal(in_netns(SHOW_ALL), before);
	net_endpoint_free(m.ep);
	(void)close(m.far);
}

static void a_macvtap_needs_the_link_for_itself(void **state)
{
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;

	(void)state;
	(void)in_netns("ip link add br0 type bridge && ip link set eth0 master br0");
	t.config.runtime.internetworking_model = macvtap;
	assert_int_equal(netns_run_here(t.fd, make_endpoint, &m, &e), -1);
	if (e.code != ERR_UNSUPPORTED)
		assert_refused(&e, ERR_STATE, "link 'eth0': make a macvtap");
	assert_lacks(in_netns("ip link"), "husk-tap");
}

static void check_link_on_top(const char *kind)
{
	auto_free char *add =
		xasprintf("ip link add link eth0 name upper type %s 2>&1 || echo none; "
			  "ip link show dev upper 2>&1 || true",
			  kind);
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;

	if (strstr(in_netns(add), "does not exist")) {
		print_message("skipped: no links of the kind %s\n", kind);
		return;
	}
	(void)in_netns("ip link set eth0 name lower && ip link set upper name eth0 up");
	t.config.runtime.internetworking_model = macvtap;
	assert_ok(netns_run_here(t.fd, make_endpoint, &m, &e), &e);
	assert_string_equal(m.ep->link.kind, kind);
	assert_has(in_netns("tc qdisc show dev eth0"), "ingress");
	assert_has(in_netns("ip -d link"), "husk-tap");
	assert_lacks(in_netns("ip link show type macvtap"), "husk-tap");
	assert_ok(netns_run_here(t.fd, take_endpoint_back, &m, &e), &e);
	net_endpoint_free(m.ep);
	(void)close(m.far);
	(void)in_netns("ip link del eth0 && ip link set lower name eth0");
}

/* A link that is itself on top of another has a sharer: it gets a tap and filters. */
static void links_on_top_of_others_get_filters(void **state)
{
	(void)state;
	check_link_on_top("macvlan");
	check_link_on_top("macvtap");
	check_link_on_top("ipvlan");
}

static void makes_nothing_when_the_name_is_taken(void **state)
{
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;

	(void)state;
	(void)in_netns("ip tuntap add mode tap name "
		       "husk-tap$(ip -o link show dev eth0 | cut -d: -f1)");
	assert_err(netns_run_here(t.fd, make_endpoint, &m, &e), &e, ERR_EXISTS, "link 'eth0'");
	assert_lacks(in_netns("tc qdisc show dev eth0"), "ingress");
	t.config.runtime.internetworking_model = macvtap;
	assert_int_equal(netns_run_here(t.fd, make_endpoint, &m, &e), -1);
	if (e.code != ERR_UNSUPPORTED)
		assert_refused(&e, ERR_EXISTS, "link 'eth0': make a macvtap");
	assert_has(in_netns("ip link"), "husk-tap"); /* which is not ours */
}

/* What a killed shim leaves: filters on the link. The tap went with its descriptors. */
static void cleans_up_after_a_crash(void **state)
{
	char dir[] = "/tmp/husk-test-network-XXXXXX";
	char *links[] = { (char *)(uintptr_t) "gone", (char *)(uintptr_t) "eth0", NULL };
	const struct net_record record = { .netns = t.path, .links = links };
	struct making m = { .far = -1 };
	struct err e = ERR_INIT;
	auto_free char *file = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = xasprintf("%s/network.json", dir);
	assert_ok(network_clean_up(dir, &e), &e); /* nothing was recorded */
	assert_ok(net_record_write(dir, &record, &e), &e);
	assert_ok(netns_run_here(t.fd, make_endpoint, &m, &e), &e);
	net_endpoint_close(m.ep);
	assert_has(in_netns("tc qdisc show dev eth0"), "ingress");

	assert_ok(network_clean_up(dir, &e), &e);
	assert_lacks(in_netns("tc qdisc show dev eth0"), "ingress");
	assert_ok(network_clean_up(dir, &e), &e);
	net_endpoint_free(m.ep);
	(void)close(m.far);
	m.ep = NULL;
	if (make_macvtap(&m, &e)) {
		net_endpoint_close(m.ep);
		assert_has(in_netns("ip link"), "husk-tap");
		assert_ok(network_clean_up(dir, &e), &e);
		assert_lacks(in_netns("ip link"), "husk-tap");
		net_endpoint_free(m.ep);
	}
	(void)in_netns("ip link del eth0");
	assert_ok(network_clean_up(dir, &e), &e);
	(void)kill(t.keeper, SIGKILL);
	(void)waitpid(t.keeper, NULL, 0);
	assert_ok(network_clean_up(dir, &e), &e); /* the namespace is gone */
	(void)close(m.far);
	(void)unlink(file);
	(void)rmdir(dir);
}

/* ---- Localhost ---- */

static int socket_at_localhost(uint16_t port, bool dial, struct err *e)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = dial ? connect(fd, (const struct sockaddr *)&at, sizeof(at))
		     : bind(fd, (const struct sockaddr *)&at, sizeof(at));

	if (r < 0 || (!dial && listen(fd, 8) < 0))
		return err_sys(e, errno, "localhost");
	return take_fd(&fd);
}

static int make_listener(void *arg, struct err *e)
{
	*(int *)arg = socket_at_localhost(0, false, e);
	return *(int *)arg < 0 ? -1 : 0;
}

static int dial(void *arg, struct err *e)
{
	*(int *)arg = socket_at_localhost(4711, true, e);
	return *(int *)arg < 0 ? -1 : 0;
}

static void steers_every_port_of_localhost(void **state)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	struct err e = ERR_INIT;
	int listener, link, client, server;

	(void)state;
	assert_ok(netns_run_here(t.fd, make_listener, &listener, &e), &e);
	link = steer_localhost(t.fd, listener, -1, &e);
	if (link < 0 && (e.code == ERR_UNSUPPORTED || e.code == ERR_DENIED)) {
		print_message("skipped: %s\n", e.text);
		(void)close(listener);
		return;
	}
	assert_ok(link, &e);
	assert_ok(netns_run_here(t.fd, dial, &client, &e), &e);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(ntohs(at.sin_port), 4711);
	(void)close(client);
	(void)close(server);
	(void)close(link);
	assert_err(netns_run_here(t.fd, dial, &client, &e), &e, ERR_UNAVAILABLE, "refused");
	(void)close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(reads_what_there_is),
		TEST(of_several_routes_takes_the_lowest_metric),
		TEST(refuses_an_ipvlan_that_passes_no_frames),
		TEST(finds_the_way_to_ipv6),
		TEST(refuses_what_is_no_namespace_for_a_guest),
		TEST(carries_frames_both_ways),
		TEST(a_macvtap_carries_them_too),
		TEST(a_macvtap_needs_the_link_for_itself),
		TEST(links_on_top_of_others_get_filters),
		TEST(makes_nothing_when_the_name_is_taken),
		TEST(cleans_up_after_a_crash),
		TEST(steers_every_port_of_localhost),
	};

	if (!netns_case_possible())
		return SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

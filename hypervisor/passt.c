/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passt; see passt.h.
 *
 * It goes by itself when the VMM closes the other end of the socket that it was born with. It has
 * namespaces and a system call filter of its own, which it needs a user for that is not root.
 */
#include "hypervisor/passt.h"

#include <string.h>

#include "common/base/mem.h"
#include "hypervisor/driver.h"

#define SOCKET_FD 3 /* in the process */
#define NOBODY    "nobody"

/* Its own hardware address; any will do that is not the guest's. */
#define GATEWAY_HARDWARE_ADDRESS "02:00:0a:00:02:02"

const struct hv_nic *hv_user_nic(const struct hv *hv)
{
	for (size_t i = 0; i < hv->spec.n_nics; i++)
		if (hv->spec.nics[i].kind == HV_NIC_USER)
			return &hv->spec.nics[i];
	return NULL;
}

static void add_option(char ***args, const char *option, char *value_owned)
{
	strv_add(args, option);
	strv_add(args, value_owned);
	free(value_owned);
}

/*
 * "::" is of either family, which passt says by saying nothing. Without a port of a protocol that is
 * published: none, or it would take every one that is free.
 */
static void add_ports(char ***args, const struct hv_nic *nic, const char *option, bool udp)
{
	bool any = false;

	for (size_t i = 0; i < nic->n_ports; i++) {
		const struct hv_port *p = &nic->ports[i];

		if (p->udp != udp)
			continue;
		if (strcmp(p->address, "::") == 0)
			add_option(args, option, xasprintf("%u:%u", p->host, p->guest));
		else
			add_option(args, option,
				   xasprintf("%s/%u:%u", p->address, p->host, p->guest));
		any = true;
	}
	if (!any)
		add_option(args, option, xstrdup("none"));
}

/*
 * What it does not find on its link ends it, unless it is told: with the loopback link, and addresses, it
 * needs no route of the host's. Of the link for IPv6 it wants a link-local address.
 */
char **passt_args(const char *path, const struct hv_nic *nic, int socket_fd)
{
	static const char *const fixed[] = {
		"--foreground",  "--quiet",           "--stderr",   "--no-dhcp",
		"--no-ra",       "--no-dhcpv6",       "--address",  HV_USER_ADDRESS,
		"--netmask",     HV_USER_PREFIX_LEN,  "--gateway",  HV_USER_GATEWAY,
		"--dns-forward", HV_USER_NAME_SERVER, "--mac-addr", GATEWAY_HARDWARE_ADDRESS,
	};
	static const char *const ipv6[] = {
		"--address",       HV_USER_ADDRESS_6, "--gateway",
		HV_USER_GATEWAY_6, "--dns-forward",   HV_USER_NAME_SERVER_6,
	};
	char **args = NULL;

	strv_add(&args, path);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		strv_add(&args, fixed[i]);
	for (size_t i = 0; nic->ipv6_link && i < ARRAY_LEN(ipv6); i++)
		strv_add(&args, ipv6[i]);
	if (!nic->ipv6_link)
		strv_add(&args, "--ipv4-only");
	add_option(&args, "--interface", xstrdup(nic->ipv6_link ? nic->ipv6_link : "lo"));
	add_option(&args, "--mtu", xasprintf("%d", HV_USER_MTU));
	add_option(&args, "--fd", xasprintf("%d", socket_fd));
	add_ports(&args, nic, "--tcp-ports", false);
	add_ports(&args, nic, "--udp-ports", true);
	return args;
}

/* It keeps one list of the ports of a protocol, whatever the address. */
int passt_check_ports(const struct hv_nic *nic, struct err *e)
{
	for (size_t i = 0; i < nic->n_ports; i++)
		for (size_t j = 0; j < i; j++)
			if (nic->ports[i].host == nic->ports[j].host &&
			    nic->ports[i].udp == nic->ports[j].udp)
				return err_set(e, ERR_INVALID,
					       "published_ports: %s port %u of %s and of %s, of "
					       "which passt can have one",
					       nic->ports[i].udp ? "udp" : "tcp",
					       nic->ports[i].host, nic->ports[j].address,
					       nic->ports[i].address);
	return 0;
}

int passt_start(struct hv *hv, const struct hv_nic *nic, int socket_fd, struct undo *u,
		struct err *e)
{
	const struct config_hypervisor *c = &hv->spec.config->hypervisor;
	auto_strv char **args = passt_args(c->passt, nic, SOCKET_FD);
	const struct confine_spec confine = {
		.role = CONFINE_NET_DAEMON,
		.user = *c->user != '\0' ? c->user : NOBODY,
		.netns_fd = CONFINE_STAY,
		.cgroups = hv->spec.cgroup,
	};
	auto_confine struct confine *confined = NULL;
	struct child_fd fds[] = { { .from = socket_fd, .to = SOCKET_FD } };
	struct hv_process_spec spec = {
		.name = "passt",
		.argv = (const char *const *)args,
		.fds = fds,
		.n_fds = 1,
	};

	if (confine_new(&confine, &confined, e) < 0)
		return -1;
	spec.confine = confined;
	return hv_process_start(hv, &spec, u, e) ? 0 : -1;
}

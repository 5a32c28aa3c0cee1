/* SPDX-License-Identifier: Apache-2.0 */
/* OCI structs as messages of the agent protocol; see to_agent.h. Resources: to_agent_resources.c. */
#include "common/oci/to_agent.h"

#include "common/base/mem.h"
#include "common/oci/message.h"

static Grpc__User *convert_user(const struct oci_user *from)
{
	Grpc__User *m = oci_message_new(&grpc__user__descriptor);

	m->uid = from->uid;
	m->gid = from->gid;
	if (from->n_additional_gids > 0) {
		m->n_additionalgids = from->n_additional_gids;
		m->additionalgids =
			xmemdup(from->additional_gids, from->n_additional_gids * sizeof(uint32_t));
	}
	oci_message_set(&m->username, from->username);
	return m;
}

static Grpc__LinuxCapabilities *convert_capabilities(const struct oci_capabilities *from)
{
	Grpc__LinuxCapabilities *m = oci_message_new(&grpc__linux_capabilities__descriptor);

	oci_message_set_strings(&m->bounding, &m->n_bounding, from->bounding);
	oci_message_set_strings(&m->effective, &m->n_effective, from->effective);
	oci_message_set_strings(&m->inheritable, &m->n_inheritable, from->inheritable);
	oci_message_set_strings(&m->permitted, &m->n_permitted, from->permitted);
	oci_message_set_strings(&m->ambient, &m->n_ambient, from->ambient);
	return m;
}

Grpc__Process *oci_process_to_agent(const struct oci_process *p)
{
	Grpc__Process *m = oci_message_new(&grpc__process__descriptor);

	m->terminal = p->terminal;
	if (p->has_console_size) {
		m->consolesize = oci_message_new(&grpc__box__descriptor);
		m->consolesize->height = p->console_size.height;
		m->consolesize->width = p->console_size.width;
	}
	m->user = convert_user(&p->user);
	oci_message_set_strings(&m->args, &m->n_args, p->args);
	oci_message_set_strings(&m->env, &m->n_env, p->env);
	oci_message_set(&m->cwd, p->cwd);
	if (p->capabilities)
		m->capabilities = convert_capabilities(p->capabilities);
	m->n_rlimits = p->n_rlimits;
	m->rlimits = oci_message_array(&grpc__posixrlimit__descriptor, p->n_rlimits);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		oci_message_set(&m->rlimits[i]->type, p->rlimits[i].type);
		m->rlimits[i]->hard = p->rlimits[i].hard;
		m->rlimits[i]->soft = p->rlimits[i].soft;
	}
	m->nonewprivileges = p->no_new_privileges;
	oci_message_set(&m->apparmorprofile, p->apparmor_profile);
	m->oomscoreadj = p->oom_score_adj;
	oci_message_set(&m->selinuxlabel, p->selinux_label);
	return m;
}

static void convert_mounts(Grpc__Spec *m, const struct oci_spec *s)
{
	m->n_mounts = s->n_mounts;
	m->mounts = oci_message_array(&grpc__mount__descriptor, s->n_mounts);
	for (size_t i = 0; i < s->n_mounts; i++) {
		Grpc__Mount *to = m->mounts[i];

		oci_message_set(&to->destination, s->mounts[i].destination);
		oci_message_set(&to->source, s->mounts[i].source);
		oci_message_set(&to->type, s->mounts[i].type);
		oci_message_set_strings(&to->options, &to->n_options, s->mounts[i].options);
	}
}

static Grpc__Hook **convert_hook_list(const struct oci_hook *from, size_t n, size_t *ret_n)
{
	Grpc__Hook **m = oci_message_array(&grpc__hook__descriptor, n);

	for (size_t i = 0; i < n; i++) {
		oci_message_set(&m[i]->path, from[i].path);
		oci_message_set_strings(&m[i]->args, &m[i]->n_args, from[i].args);
		oci_message_set_strings(&m[i]->env, &m[i]->n_env, from[i].env);
		m[i]->timeout = from[i].timeout;
	}
	*ret_n = n;
	return m;
}

static Grpc__Hooks *convert_hooks(const struct oci_hooks *from)
{
	Grpc__Hooks *m = oci_message_new(&grpc__hooks__descriptor);

	m->prestart = convert_hook_list(from->prestart, from->n_prestart, &m->n_prestart);
	m->poststart = convert_hook_list(from->poststart, from->n_poststart, &m->n_poststart);
	m->poststop = convert_hook_list(from->poststop, from->n_poststop, &m->n_poststop);
	m->createruntime = convert_hook_list(from->create_runtime, from->n_create_runtime,
					     &m->n_createruntime);
	m->createcontainer = convert_hook_list(from->create_container, from->n_create_container,
					       &m->n_createcontainer);
	m->startcontainer = convert_hook_list(from->start_container, from->n_start_container,
					      &m->n_startcontainer);
	return m;
}

static bool any_hooks(const struct oci_hooks *h)
{
	return h->n_prestart > 0 || h->n_create_runtime > 0 || h->n_create_container > 0 ||
	       h->n_start_container > 0 || h->n_poststart > 0 || h->n_poststop > 0;
}

static Grpc__LinuxIDMapping **convert_id_mappings(const struct oci_id_mapping *from, size_t n)
{
	Grpc__LinuxIDMapping **m = oci_message_array(&grpc__linux_idmapping__descriptor, n);

	for (size_t i = 0; i < n; i++) {
		m[i]->hostid = from[i].host_id;
		m[i]->containerid = from[i].container_id;
		m[i]->size = from[i].size;
	}
	return m;
}

static void convert_devices(Grpc__Linux *m, const struct oci_linux *l)
{
	m->n_devices = l->n_devices;
	m->devices = oci_message_array(&grpc__linux_device__descriptor, l->n_devices);
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct oci_device *from = &l->devices[i];
		Grpc__LinuxDevice *to = m->devices[i];

		oci_message_set(&to->path, from->path);
		oci_message_set(&to->type, from->type);
		to->major = from->major;
		to->minor = from->minor;
		to->filemode = from->file_mode;
		to->uid = from->uid;
		to->gid = from->gid;
	}
}

static void convert_syscall(Grpc__LinuxSyscall *m, const struct oci_syscall *from)
{
	oci_message_set_strings(&m->names, &m->n_names, from->names);
	oci_message_set(&m->action, from->action);
	if (from->has_errno_ret) {
		m->errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
		m->errnoret = from->errno_ret;
	}
	m->n_args = from->n_args;
	m->args = oci_message_array(&grpc__linux_seccomp_arg__descriptor, from->n_args);
	for (size_t i = 0; i < from->n_args; i++) {
		m->args[i]->index = from->args[i].index;
		m->args[i]->value = from->args[i].value;
		m->args[i]->valuetwo = from->args[i].value_two;
		oci_message_set(&m->args[i]->op, from->args[i].op);
	}
}

static Grpc__LinuxSeccomp *convert_seccomp(const struct oci_seccomp *from)
{
	Grpc__LinuxSeccomp *m = oci_message_new(&grpc__linux_seccomp__descriptor);

	oci_message_set(&m->defaultaction, from->default_action);
	oci_message_set_strings(&m->architectures, &m->n_architectures, from->architectures);
	oci_message_set_strings(&m->flags, &m->n_flags, from->flags);
	m->n_syscalls = from->n_syscalls;
	m->syscalls = oci_message_array(&grpc__linux_syscall__descriptor, from->n_syscalls);
	for (size_t i = 0; i < from->n_syscalls; i++)
		convert_syscall(m->syscalls[i], &from->syscalls[i]);
	return m;
}

static Grpc__Linux *convert_linux(const struct oci_linux *l)
{
	Grpc__Linux *m = oci_message_new(&grpc__linux__descriptor);

	m->n_uidmappings = l->n_uid_mappings;
	m->uidmappings = convert_id_mappings(l->uid_mappings, l->n_uid_mappings);
	m->n_gidmappings = l->n_gid_mappings;
	m->gidmappings = convert_id_mappings(l->gid_mappings, l->n_gid_mappings);
	m->n_sysctl = l->sysctl.n;
	m->sysctl = oci_message_array(&grpc__linux__sysctl_entry__descriptor, l->sysctl.n);
	for (size_t i = 0; i < l->sysctl.n; i++) {
		oci_message_set(&m->sysctl[i]->key, l->sysctl.pairs[i].key);
		oci_message_set(&m->sysctl[i]->value, l->sysctl.pairs[i].value);
	}
	if (l->resources)
		m->resources = oci_resources_to_agent(l->resources);
	oci_message_set(&m->cgroupspath, l->cgroups_path);
	m->n_namespaces = l->n_namespaces;
	m->namespaces = oci_message_array(&grpc__linux_namespace__descriptor, l->n_namespaces);
	for (size_t i = 0; i < l->n_namespaces; i++) {
		oci_message_set(&m->namespaces[i]->type, l->namespaces[i].type);
		oci_message_set(&m->namespaces[i]->path, l->namespaces[i].path);
	}
	convert_devices(m, l);
	if (l->seccomp)
		m->seccomp = convert_seccomp(l->seccomp);
	oci_message_set(&m->rootfspropagation, l->rootfs_propagation);
	oci_message_set_strings(&m->maskedpaths, &m->n_maskedpaths, l->masked_paths);
	oci_message_set_strings(&m->readonlypaths, &m->n_readonlypaths, l->readonly_paths);
	oci_message_set(&m->mountlabel, l->mount_label);
	return m;
}

Grpc__Spec *oci_spec_to_agent(const struct oci_spec *s)
{
	Grpc__Spec *m = oci_message_new(&grpc__spec__descriptor);

	oci_message_set(&m->version, s->version);
	m->process = oci_process_to_agent(s->process);
	m->root = oci_message_new(&grpc__root__descriptor);
	oci_message_set(&m->root->path, s->root->path);
	m->root->readonly = s->root->readonly;
	oci_message_set(&m->hostname, s->hostname);
	convert_mounts(m, s);
	if (any_hooks(&s->hooks))
		m->hooks = convert_hooks(&s->hooks);
	m->n_annotations = s->annotations.n;
	m->annotations =
		oci_message_array(&grpc__spec__annotations_entry__descriptor, s->annotations.n);
	for (size_t i = 0; i < s->annotations.n; i++) {
		oci_message_set(&m->annotations[i]->key, s->annotations.pairs[i].key);
		oci_message_set(&m->annotations[i]->value, s->annotations.pairs[i].value);
	}
	m->linux = convert_linux(&s->linux);
	return m;
}

static void add_place(char ***places, const char *around, const char *member)
{
	auto_free char *place = xasprintf("%s.%s", around, member);

	strv_add(places, place);
}

static void add_resources(char ***places, const char *around, const struct oci_resources *r)
{
	if (r->cpu && r->cpu->has_burst)
		add_place(places, around, "cpu.burst");
	if (r->cpu && r->cpu->has_idle)
		add_place(places, around, "cpu.idle");
	if (r->unified.n > 0)
		add_place(places, around, "unified");
}

char **oci_resources_not_carried(const struct oci_resources *r)
{
	char **places = NULL;

	add_resources(&places, "resources", r);
	return places;
}

char **oci_spec_not_carried(const struct oci_spec *s)
{
	char **places = NULL;

	if (s->process->user.has_umask)
		strv_add(&places, "process.user.umask");
	if (s->domainname && *s->domainname)
		strv_add(&places, "domainname");
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].n_uid_mappings > 0 || s->mounts[i].n_gid_mappings > 0) {
			auto_free char *place = xasprintf("mounts[%zu].uidMappings", i);

			strv_add(&places, place);
		}
	if (s->linux.resources)
		add_resources(&places, "linux.resources", s->linux.resources);
	if (s->linux.seccomp && s->linux.seccomp->has_default_errno_ret)
		strv_add(&places, "linux.seccomp.defaultErrnoRet");
	if (s->linux.personality)
		strv_add(&places, "linux.personality");
	return places;
}

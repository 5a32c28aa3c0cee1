/* SPDX-License-Identifier: Apache-2.0 */
/* Rewriting an OCI spec for the guest; see spec_guest.h. */
#include "shim/sandbox/spec_guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/oci/message.h"
#include "common/oci/pod.h"

#define ANNOTATION_BUNDLE "io.katacontainers.pkg.oci.bundle_path"
#define ANNOTATION_TYPE   "io.katacontainers.pkg.oci.container_type"

#define SHM_DEFAULT_BYTES (64u << 20) /* docker's and Kubernetes' */
#define SHM_MAX_BYTES     (1ull << 40)

#define DEVICE_MAJOR_MEM  1
#define DEVICE_MAJOR_TTY  4
#define DEVICE_MAJOR_CONS 5
#define DEVICE_MAJOR_MISC 10
#define MISC_DYNAMIC_MIN \
	256 /* minors of major 10 above the ones that have one meaning everywhere */

static const char *container_type(const struct oci_spec *s)
{
	switch (pod_role(s)) {
	case POD_SANDBOX:
		return "pod_sandbox";
	case POD_CONTAINER:
		return "pod_container";
	case POD_NONE:
		break;
	}
	return "single_container";
}

static void add_annotation(Grpc__Spec *spec, const char *key, const char *value)
{
	Grpc__Spec__AnnotationsEntry *entry = xmalloc(sizeof(*entry));

	grpc__spec__annotations_entry__init(entry);
	entry->key = xstrdup(key);
	entry->value = xstrdup(value);
	spec->annotations = xrealloc(spec->annotations,
				     (spec->n_annotations + 1) * sizeof(spec->annotations[0]));
	spec->annotations[spec->n_annotations++] = entry;
}

static void hooks_free(size_t *n, Grpc__Hook ***hooks)
{
	for (size_t i = 0; i < *n; i++)
		grpc__hook__free_unpacked((*hooks)[i], NULL);
	free(*hooks);
	*hooks = NULL;
	*n = 0;
}

/* Only startContainer hooks run inside a container; the others are the host's (hooks.h). */
static void rewrite_hooks(Grpc__Hooks *h)
{
	if (!h)
		return;
	hooks_free(&h->n_prestart, &h->prestart);
	hooks_free(&h->n_createruntime, &h->createruntime);
	hooks_free(&h->n_createcontainer, &h->createcontainer);
	hooks_free(&h->n_poststart, &h->poststart);
	hooks_free(&h->n_poststop, &h->poststop);
}

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

/*
 * The VM is the network namespace, the agent makes the pid namespace, and time offsets are between
 * a container and its kernel. Paths are the host's: what they named is the sandbox's or a new one.
 */
static void rewrite_namespaces(Grpc__Linux *l, bool *ret_sandbox_pidns)
{
	static const char *const dropped[] = { "pid", "network", "time" };
	size_t kept = 0;

	*ret_sandbox_pidns = false;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		Grpc__LinuxNamespace *ns = l->namespaces[i];

		if (strcmp(ns->type, "pid") == 0 && *ns->path)
			*ret_sandbox_pidns = true;
		if (is_one_of(ns->type, dropped, ARRAY_LEN(dropped))) {
			grpc__linux_namespace__free_unpacked(ns, NULL);
			continue;
		}
		oci_message_set(&ns->path, "");
		l->namespaces[kept++] = ns;
	}
	l->n_namespaces = kept;
}

/* Limits on devices, networks and CPUs by their number on the host mean nothing in the guest. */
void spec_guest_resources(Grpc__LinuxResources *r)
{
	if (!r)
		return;
	if (r->blockio)
		grpc__linux_block_io__free_unpacked(r->blockio, NULL);
	r->blockio = NULL;
	if (r->network)
		grpc__linux_network__free_unpacked(r->network, NULL);
	r->network = NULL;
	if (r->cpu) {
		oci_message_set(&r->cpu->cpus, "");
		oci_message_set(&r->cpu->mems, "");
	}
}

/* Is it the same device on every Linux (Documentation/admin-guide/devices.txt)? */
static bool device_is_universal(const Grpc__LinuxDevice *d)
{
	if (strcmp(d->type, "p") == 0)
		return true;
	if (strcmp(d->type, "c") != 0 && strcmp(d->type, "u") != 0)
		return false;
	return d->major == DEVICE_MAJOR_MEM || d->major == DEVICE_MAJOR_TTY ||
	       d->major == DEVICE_MAJOR_CONS ||
	       (d->major == DEVICE_MAJOR_MISC && d->minor < MISC_DYNAMIC_MIN);
}

static bool is_plugged(const struct spec_guest_params *p, const char *path)
{
	for (size_t i = 0; i < p->n_devices; i++)
		if (strcmp(p->devices[i]->container_path, path) == 0)
			return true;
	return false;
}

/* A privileged container's spec lists every device of the host: one line for all left out. */
static void rewrite_devices(Grpc__Linux *l, const struct spec_guest_params *p)
{
	auto_free char *example = NULL;
	size_t kept = 0, left_out = 0;

	for (size_t i = 0; i < l->n_devices; i++) {
		Grpc__LinuxDevice *d = l->devices[i];

		if (device_is_universal(d) || is_plugged(p, d->path)) {
			l->devices[kept++] = d;
			continue;
		}
		if (left_out++ == 0)
			example = xstrdup(d->path);
		grpc__linux_device__free_unpacked(d, NULL);
	}
	l->n_devices = kept;
	if (left_out > 0)
		log_warn("%zu devices of the host are not passed to the guest ('%s'%s)", left_out,
			 example, left_out > 1 ? ", …" : "");
}

static void mount_set_bind(Grpc__Mount *m, const char *source)
{
	oci_message_set(&m->source, source);
	oci_message_set(&m->type, "bind");
}

static void mount_set_shm(Grpc__Mount *m)
{
	mount_set_bind(m, VOLUME_SHM_GUEST_DIR);
	for (size_t i = 0; i < m->n_options; i++)
		free(m->options[i]);
	m->options = xrealloc(m->options, sizeof(m->options[0]));
	m->options[0] = xstrdup("rbind");
	m->n_options = 1;
}

static void mount_drop_option(Grpc__Mount *m, const char *option)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_options; i++) {
		if (strcmp(m->options[i], option) == 0)
			free(m->options[i]);
		else
			m->options[kept++] = m->options[i];
	}
	m->n_options = kept;
}

/* A block device that was bound is one of the container's. The agent puts in the guest's numbers. */
static void add_device(Grpc__Spec *spec, const char *path, const struct stat *st)
{
	Grpc__LinuxDevice *d = xmalloc(sizeof(*d));
	Grpc__Linux *l = spec->linux;

	grpc__linux_device__init(d);
	d->path = xstrdup(path);
	d->type = xstrdup("b");
	d->major = major(st->st_rdev);
	d->minor = minor(st->st_rdev);
	d->filemode = st->st_mode & 07777;
	d->uid = st->st_uid;
	d->gid = st->st_gid;
	l->devices = xrealloc(l->devices, (l->n_devices + 1) * sizeof(l->devices[0]));
	l->devices[l->n_devices++] = d;
}

static void rewrite_mounts(Grpc__Spec *spec, const struct volume *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		Grpc__Mount *m = spec->mounts[i];

		switch (v[i].kind) {
		case VOLUME_SKIPPED:
			grpc__mount__free_unpacked(m, NULL);
			continue;
		case VOLUME_DEVICE:
			add_device(spec, m->destination, &v[i].st);
			grpc__mount__free_unpacked(m, NULL);
			continue;
		case VOLUME_SHARED:
		case VOLUME_MOUNTED:
			mount_set_bind(m, v[i].guest_path);
			if (v[i].read_only_on_host)
				mount_drop_option(m, "ro");
			break;
		case VOLUME_SHM:
			mount_set_shm(m);
			break;
		case VOLUME_GUEST:
		default:
			break;
		}
		spec->mounts[kept++] = m;
	}
	spec->n_mounts = kept;
}

static void add_sysctls(Grpc__Linux *l, const char *const *sysctls)
{
	size_t n = strv_len(sysctls);

	l->sysctl = xrealloc(l->sysctl, (l->n_sysctl + n + 1) * sizeof(l->sysctl[0]));
	for (size_t i = 0; i < n; i++) {
		Grpc__Linux__SysctlEntry *entry = xmalloc(sizeof(*entry));
		size_t key_len = strcspn(sysctls[i], "=");

		grpc__linux__sysctl_entry__init(entry);
		entry->key = xasprintf("%.*s", (int)key_len, sysctls[i]);
		entry->value = xstrdup(sysctls[i] + key_len + 1);
		l->sysctl[l->n_sysctl++] = entry;
	}
}

static void rewrite_linux(Grpc__Linux *l, const struct spec_guest_params *p,
			  bool *ret_sandbox_pidns)
{
	*ret_sandbox_pidns = false;
	if (!l)
		return;
	rewrite_namespaces(l, ret_sandbox_pidns);
	spec_guest_resources(l->resources);
	rewrite_devices(l, p);
	oci_message_set(&l->mountlabel, "");
	if (p->drop_seccomp && l->seccomp) {
		grpc__linux_seccomp__free_unpacked(l->seccomp, NULL);
		l->seccomp = NULL;
	}
}

int spec_guest(const struct oci_spec *s, const struct spec_guest_params *p, Grpc__Spec **ret,
	       bool *ret_sandbox_pidns, struct err *e)
{
	Grpc__Spec *spec;

	if (!s->root || !s->process)
		return err_set(e, ERR_INVALID, "the OCI spec has no %s",
			       s->root ? "process" : "root");
	spec = oci_spec_to_agent(s);
	if (spec->n_mounts != s->n_mounts) {
		grpc__spec__free_unpacked(spec, NULL);
		return err_set(e, ERR_INTERNAL, "mounts were lost in translation");
	}
	oci_message_set(&spec->root->path, p->rootfs);
	spec->root->readonly = spec->root->readonly || p->read_only;
	oci_message_set(&spec->process->selinuxlabel,
			""); /* the guest has no SELinux policy loaded */
	rewrite_hooks(spec->hooks);
	rewrite_mounts(spec, p->volumes);
	rewrite_linux(spec->linux, p, ret_sandbox_pidns);
	if (spec->linux && p->sysctls)
		add_sysctls(spec->linux, p->sysctls);
	add_annotation(spec, ANNOTATION_BUNDLE, p->bundle);
	add_annotation(spec, ANNOTATION_TYPE, container_type(s));
	*ret = spec;
	return 0;
}

/* "size=65536k" as tmpfs takes it: bytes, or with k, m or g behind. */
static bool parse_size(const char *option, uint64_t *ret)
{
	static const char units[] = "kmg";
	auto_free char *text = NULL;
	uint64_t value, factor = 1;
	size_t len;

	if (strncmp(option, "size=", 5) != 0)
		return false;
	text = xstrdup(option + 5);
	len = strlen(text);
	for (size_t i = 0; len > 0 && i < 3; i++) {
		if ((text[len - 1] | 0x20) != units[i])
			continue;
		factor = 1ull << (10 * (i + 1));
		text[len - 1] = '\0';
		break;
	}
	return num_u64(text, 10, &value) && !__builtin_mul_overflow(value, factor, ret);
}

uint64_t spec_shm_bytes(const struct oci_spec *s)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct oci_mount *m = &s->mounts[i];
		struct statvfs st;

		if (strcmp(m->destination, "/dev/shm") != 0)
			continue;
		for (size_t k = 0; m->options && m->options[k]; k++)
			(void)parse_size(m->options[k], &bytes);
		if (volume_is_bind(m) && m->source && statvfs(m->source, &st) == 0)
			bytes = (uint64_t)st.f_blocks * st.f_frsize;
	}
	return bytes > 0 && bytes <= SHM_MAX_BYTES ? bytes : SHM_DEFAULT_BYTES;
}

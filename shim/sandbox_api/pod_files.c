/* SPDX-License-Identifier: Apache-2.0 */
/* Files that every container of a pod has; see pod_files.h. */
#include "shim/sandbox_api/pod_files.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define HOST_FILE_MAX (1u << 20)

static const struct {
	const char *name, *destination;
} files[] = {
	{ "hostname", "/etc/hostname" },
	{ "hosts", "/etc/hosts" },
	{ "resolv.conf", "/etc/resolv.conf" },
};

static char *hostname_text(const Runtime__V1__PodSandboxConfig *pod)
{
	char own[HOST_NAME_MAX + 1] = "localhost";

	if (pod->hostname[0] == '\0')
		(void)gethostname(own, sizeof(own) - 1);
	return xasprintf("%s\n", pod->hostname[0] != '\0' ? pod->hostname : own);
}

/* A host may lack the file: then the pod's is empty. */
static char *host_file(const char *path)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	if (file_read(AT_FDCWD, path, HOST_FILE_MAX, &text, NULL, &e) < 0)
		return xstrdup("");
	return text;
}

static void add_words(struct buf *b, const char *keyword, char *const *words, size_t n)
{
	if (n == 0)
		return;
	buf_addf(b, "%s", keyword);
	for (size_t i = 0; i < n; i++)
		buf_addf(b, " %s", words[i]);
	buf_addf(b, "\n");
}

/* resolv.conf(5). A pod that says nothing has the host's. */
static char *resolver_text(const Runtime__V1__DNSConfig *dns)
{
	struct buf b = BUF_INIT;

	if (!dns || dns->n_servers + dns->n_searches + dns->n_options == 0)
		return host_file("/etc/resolv.conf");
	add_words(&b, "search", dns->searches, dns->n_searches);
	for (size_t i = 0; i < dns->n_servers; i++)
		add_words(&b, "nameserver", &dns->servers[i], 1);
	add_words(&b, "options", dns->options, dns->n_options);
	return b.data;
}

int pod_files_write(const char *bundle, const Runtime__V1__PodSandboxConfig *pod, struct err *e)
{
	auto_close int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *hostname = hostname_text(pod);
	auto_free char *hosts = host_file("/etc/hosts");
	auto_free char *resolver = resolver_text(pod->dns_config);
	const char *const texts[] = { hostname, hosts, resolver };

	if (dir < 0)
		return err_sys(e, errno, "open bundle '%s'", bundle);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (file_replace(dir, files[i].name, texts[i], strlen(texts[i]), e) < 0)
			return -1;
		/* For containers of any user. */
		if (fchmodat(dir, files[i].name, 0644, 0) < 0)
			return err_sys(e, errno, "set the mode of '%s'", files[i].name);
	}
	return 0;
}

static bool has_mount(const struct oci_spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (strcmp(spec->mounts[i].destination, destination) == 0)
			return true;
	return false;
}

void pod_files_add_mounts(const char *bundle, struct oci_spec *spec)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct oci_mount *m;

		if (has_mount(spec, files[i].destination))
			continue;
		spec->mounts =
			xrealloc(spec->mounts, (spec->n_mounts + 1) * sizeof(spec->mounts[0]));
		m = &spec->mounts[spec->n_mounts++];
		*m = (struct oci_mount){
			.destination = xstrdup(files[i].destination),
			.type = xstrdup("bind"),
			.source = path_join(bundle, files[i].name),
		};
		strv_add(&m->options, "rbind");
		strv_add(&m->options, "rprivate");
		strv_add(&m->options, spec->root && spec->root->readonly ? "ro" : "rw");
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* PCI paths and what they lead to in sysfs; see pci_path.h. */
#include "agent/device/pci_path.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define SLOT_MAX     0x1fu
#define FUNCTION_MAX 7u
#define TEXT_MAX     (PCI_PATH_DEPTH_MAX * 5u)

static bool hex_byte(const char *text, size_t digits_max, uint32_t max, uint8_t *ret)
{
	uint32_t v;

	if (strlen(text) > digits_max || !num_u32(text, 16, &v) || v > max)
		return false;
	*ret = (uint8_t)v;
	return true;
}

/* Cuts up `text`. */
static bool parse_element(char *text, struct pci_function *ret)
{
	char *function = strchr(text, '.');

	*ret = (struct pci_function){ .slot = 0 };
	if (function) {
		*function++ = '\0';
		if (!hex_byte(function, 1, FUNCTION_MAX, &ret->function))
			return false;
	}
	return hex_byte(text, 2, SLOT_MAX, &ret->slot);
}

int pci_path_parse(const char *text, struct pci_path *ret, struct err *e)
{
	auto_free char *copy = xstrndup(text, TEXT_MAX + 1);
	struct pci_path p = { .n = 0 };
	char *rest = copy;
	size_t elements = 1;
	char *word;

	for (const char *c = copy; *c; c++)
		elements += *c == '/';
	if (elements > PCI_PATH_DEPTH_MAX || strlen(copy) > TEXT_MAX)
		return err_set(e, ERR_INVALID, "PCI path '%s' is too long", copy);
	while ((word = strsep(&rest, "/"))) {
		uint8_t root;

		if (p.n == 0 && p.root == 0 && elements >= 3 &&
		    hex_byte(word, 2, UINT8_MAX, &root) && root > SLOT_MAX) {
			p.root = root;
			continue;
		}
		if (!parse_element(word, &p.element[p.n++]))
			return err_set(e, ERR_INVALID, "'%s' is no PCI path", text);
	}
	*ret = p;
	return 0;
}

int pci_address_check(const char *text, struct err *e)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i = 0;

	for (; text[i] && form[i]; i++)
		if (form[i] == 'x' ? !strchr("0123456789abcdefABCDEF", text[i])
				   : text[i] != form[i])
			break;
	if (text[i] || form[i])
		return err_set(e, ERR_INVALID, "'%s' is no PCI address", text);
	return 0;
}

static void close_directory(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* The bus that one name in a directory stands for: "0000:01" or, of a device, "0000:01:00.0". */
static char *name_to_bus(const char *name, bool is_device)
{
	struct err no = ERR_INIT;

	if (is_device)
		return pci_address_check(name, &no) == 0 ? xstrndup(name, strlen("dddd:bb")) : NULL;
	return strlen(name) == strlen("dddd:bb") && name[4] == ':' ? xstrdup(name) : NULL;
}

/* The one bus among the entries of `path`. ERR_NOT_FOUND: none there; ERR_STATE: several. */
static int only_bus(const char *path, bool is_device, char **ret, struct err *e)
{
	CLEANUP(close_directory) DIR *d = opendir(path);
	auto_free char *bus = NULL;
	const struct dirent *entry;

	if (!d)
		return err_sys(e, errno, "open '%s'", path);
	while ((entry = readdir(d))) {
		auto_free char *one = name_to_bus(entry->d_name, is_device);

		if (!one)
			continue;
		if (bus && strcmp(bus, one) != 0)
			return err_set(e, ERR_STATE, "bridge '%s' has more than one bus", path);
		free(bus);
		bus = take_ptr(one);
	}
	if (!bus)
		return err_set(e, ERR_NOT_FOUND, "bridge '%s' has no bus", path);
	*ret = take_ptr(bus);
	return 0;
}

static int bus_behind(const char *bridge, char **ret, struct err *e)
{
	auto_free char *buses = path_join(bridge, "pci_bus");
	struct stat st;

	if (stat(buses, &st) == 0)
		return only_bus(buses, false, ret, e);
	return only_bus(bridge, true, ret, e);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s);
	size_t m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* Without ACPI the host bridge is a platform device: /devices/platform/4010000000.pcie/pci0000:00. */
static char *platform_root(const char *sys, const char *root)
{
	auto_free char *platform = path_join(sys, "devices/platform");
	CLEANUP(close_directory) DIR *d = opendir(platform);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		auto_free char *devpath = NULL;
		auto_free char *path = NULL;
		struct stat st;

		if (!ends_with(entry->d_name, ".pcie"))
			continue;
		devpath = xasprintf("/devices/platform/%s/%s", entry->d_name, root);
		path = path_join(sys, devpath);
		if (stat(path, &st) == 0)
			return take_ptr(devpath);
	}
	return NULL;
}

static char *root_devpath(const char *sys, uint8_t complex)
{
	auto_free char *root = xasprintf("pci0000:%02x", complex);
	auto_free char *devpath = xasprintf("/devices/%s", root);
	auto_free char *path = path_join(sys, devpath);
	char *platform = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		platform = platform_root(sys, root);
	return platform ? platform : take_ptr(devpath);
}

int pci_path_resolve(const char *sys, const struct pci_path *p, char **ret, struct err *e)
{
	auto_free char *devpath = root_devpath(sys, p->root);
	auto_free char *bus = xasprintf("0000:%02x", p->root);

	for (size_t i = 0; i < p->n; i++) {
		const struct pci_function *f = &p->element[i];
		char *deeper = xasprintf("%s/%s:%02x.%x", devpath, bus, f->slot, f->function);

		free(devpath);
		devpath = deeper;
		if (i + 1 < p->n) {
			auto_free char *bridge = path_join(sys, devpath);
			char *next;

			if (bus_behind(bridge, &next, e) < 0)
				return -1;
			free(bus);
			bus = next;
		}
	}
	*ret = take_ptr(devpath);
	return 0;
}

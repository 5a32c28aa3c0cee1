/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for devices: in sysfs already, announced before, announced later, others, gone again. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/device/watch.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/unit/agent/device_tree.h"

#define TIMEOUT_MS 60 /* for what does not come */
#define LATER_MS   10

#define BRIDGE "/devices/pci0000:00/0000:00:02.0"
#define BUS    BRIDGE "/pci_bus/0000:01"
#define DISK   BRIDGE "/0000:01:03.0/virtio5/block/vdb"
#define CARD   BRIDGE "/0000:01:03.0/virtio5/net/eth1"
#define SCSI   "/devices/pci0000:00/0000:00:04.0/virtio1/host2/target2:0:1/2:0:1:3/block/sdc"
#define PMEM   "/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/namespace0.0/block/pmem1"
#define CCW    "/devices/css0/0.0.0001/0.0.0005/virtio2/block/vdd"
#define CCWNET "/devices/css0/0.0.0001/0.0.0005/virtio2/net/eth2"
#define GROUP  "/devices/virtual/vfio/12"

enum wait_for {
	BLK,
	NODE,
	SCSI_DISK,
	BLK_CCW,
	NET,
	PCI,
	VFIO
};

static int wait_one(struct device_watch *w, enum wait_for what, const char *asked, char **ret,
		    struct err *e)
{
	switch (what) {
	case BLK:
		return device_wait_blk(w, asked, DEADLINE_NEVER, ret, e);
	case NODE:
		return device_wait_node(w, asked, DEADLINE_NEVER, ret, e);
	case SCSI_DISK:
		return device_wait_scsi(w, asked, DEADLINE_NEVER, ret, e);
	case BLK_CCW:
		return device_wait_blk_ccw(w, asked, DEADLINE_NEVER, ret, e);
	case NET:
		return device_wait_net(w, asked, DEADLINE_NEVER, ret, e);
	case PCI:
		return device_wait_pci(w, asked, DEADLINE_NEVER, ret, e);
	case VFIO:
		return device_wait_vfio(w, asked, DEADLINE_NEVER, ret, e);
	}
	return -1;
}

/* What happens to the device while somebody waits, or before. */
enum story {
	IN_SYSFS,     /* there from the beginning */
	BEFORE,       /* announced before the wait; not in sysfs */
	LATER,        /* announced during the wait; not in sysfs */
	UNANNOUNCED,  /* appears in sysfs, the announcement is lost */
	TWICE,        /* announced two times */
	GONE,         /* announced and removed before the wait */
	GONE_AND_BACK /* announced, removed, announced again during the wait */
};

struct play {
	struct device_tree tree;
	struct device_watch *watch;
	enum story story;
	const char *subsystem, *devpath;
	bool late_node;
};

static void announce(const struct play *p, const char *action)
{
	auto_free char *message = NULL;
	size_t len;

	message = device_tree_event(action, p->subsystem, p->devpath, &len);
	device_watch_feed(p->watch, message, len);
}

static void appear(const struct play *p)
{
	if (strcmp(p->subsystem, "block") == 0)
		device_tree_add_disk(&p->tree, p->devpath, false);
	else if (strcmp(p->subsystem, "net") == 0)
		device_tree_add_net(&p->tree, p->devpath);
	else
		device_tree_add(&p->tree, p->devpath);
}

static void node(const struct play *p)
{
	auto_free char *groups = path_join(p->tree.dev, "vfio");
	auto_free char *name = xasprintf("vfio/%s", path_base(p->devpath));

	if (strcmp(p->subsystem, "block") == 0)
		device_tree_add_node(&p->tree, path_base(p->devpath));
	if (strcmp(p->subsystem, "vfio") != 0)
		return;
	assert_int_equal(mkdir(groups, 0755), 0);
	device_tree_add_node(&p->tree, name);
}

static void before(const struct play *p)
{
	switch (p->story) {
	case IN_SYSFS:
		appear(p);
		break;
	case TWICE:
		announce(p, "add");
		announce(p, "add");
		break;
	case BEFORE:
		announce(p, "add");
		break;
	case GONE:
	case GONE_AND_BACK:
		announce(p, "add");
		announce(p, "remove");
		break;
	case LATER:
	case UNANNOUNCED:
		break;
	}
	if (!p->late_node)
		node(p);
}

static void during(void *arg)
{
	const struct play *p = arg;
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
	if (p->story == LATER || p->story == GONE_AND_BACK)
		announce(p, "add");
	if (p->story == UNANNOUNCED)
		appear(p);
	if (p->late_node) {
		assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
		node(p);
	}
}

struct test_case {
	enum wait_for what;
	const char *asked;
	enum story story;
	const char *subsystem, *devpath;
	const char *want; /* a node below /dev, or a name; NULL: not found */
	bool late_node;
};

static void run_case(void *arg)
{
	const struct test_case *c = arg;
	struct play p = {
		.story = c->story,
		.subsystem = c->subsystem,
		.devpath = c->devpath,
		.late_node = c->late_node,
	};
	struct fiber_group g = FIBER_GROUP_INIT;
	auto_free char *got = NULL;
	auto_free char *want = NULL;
	struct err e = ERR_INIT;
	int r;

	device_tree_make(&p.tree);
	device_tree_add(&p.tree, BUS);
	p.watch = device_watch_new(p.tree.sys, p.tree.dev, c->want ? PATIENCE_MS : TIMEOUT_MS);
	before(&p);
	fiber_group_start(&g, "during", during, &p);
	r = wait_one(p.watch, c->what, c->asked, &got, &e);
	fiber_group_wait(&g);
	if (c->want && c->want[0] == '/')
		want = xasprintf("%s%s", p.tree.dev, c->want);
	else if (c->want)
		want = xstrdup(c->want);
	device_watch_free(p.watch);
	device_tree_remove(&p.tree);

	if (want) {
		assert_ok(r, &e);
		assert_string_equal(got, want);
	} else {
		assert_int_equal(r, -1);
		assert_int_equal(e.code, ERR_TIMEOUT);
		assert_non_null(strstr(e.text, c->asked));
	}
}

static void test_stories(void **state)
{
	static const struct test_case cases[] = {
		{ BLK, "02/03", IN_SYSFS, "block", DISK, "/vdb", false },
		{ BLK, "02/03", BEFORE, "block", DISK, "/vdb", false },
		{ BLK, "02/03", LATER, "block", DISK, "/vdb", false },
		{ BLK, "02/03", LATER, "block", DISK, "/vdb", true },
		{ BLK, "02/03", UNANNOUNCED, "block", DISK, "/vdb", false },
		{ BLK, "02/03", TWICE, "block", DISK, "/vdb", false },
		{ BLK, "02/03", GONE, "block", DISK, NULL, false },
		{ BLK, "02/03", GONE_AND_BACK, "block", DISK, "/vdb", false },
		/* Another slot, another function, a partition, the bridge itself, another subsystem. */
		{ BLK, "02/04", LATER, "block", DISK, NULL, false },
		{ BLK, "02/03.1", LATER, "block", DISK, NULL, false },
		{ BLK, "02/03", LATER, "block", DISK "/vdb1", NULL, false },
		{ BLK, "02", LATER, "block", DISK, NULL, false },
		{ BLK, "02/03", LATER, "net", DISK, NULL, false },
		/* The bridge is not there. */
		{ BLK, "05/03", LATER, "block", DISK, NULL, false },
		/* The bus of another bridge. */
		{ BLK, "02/03", LATER, "block",
		  "/devices/pci0000:00/0000:00:03.0/0000:02:03.0/virtio5/block/vdb", NULL, false },

		{ NODE, "/dev/vdb", IN_SYSFS, "block", DISK, "/vdb", false },
		{ NODE, "/dev/vdc", IN_SYSFS, "block", DISK, NULL, false },
		{ NODE, "/dev/db", LATER, "block", DISK, NULL, false },
		{ NODE, "/dev/pmem1", LATER, "block", PMEM, "/pmem1", true },
		{ NODE, "/dev/pmem1", IN_SYSFS, "block", PMEM, "/pmem1", false },

		{ SCSI_DISK, "1:3", IN_SYSFS, "block", SCSI, "/sdc", false },
		{ SCSI_DISK, "1:3", LATER, "block", SCSI, "/sdc", false },
		{ SCSI_DISK, "1:4", LATER, "block", SCSI, NULL, false },
		{ SCSI_DISK, "2:3", LATER, "block", SCSI, NULL, false },
		{ SCSI_DISK, "1:3", LATER, "block", SCSI "/sdc1", NULL, false },

		{ BLK_CCW, "0.0.0005", LATER, "block", CCW, "/vdd", false },
		{ BLK_CCW, "0.0.0005", IN_SYSFS, "block", CCW, "/vdd", false },
		{ BLK_CCW, "0.0.0006", LATER, "block", CCW, NULL, false },

		{ NET, "02/03", IN_SYSFS, "net", CARD, "eth1", false },
		{ NET, "02/03", BEFORE, "net", CARD, "eth1", false },
		{ NET, "02/03", LATER, "net", CARD, "eth1", false },
		{ NET, "02/03", GONE, "net", CARD, NULL, false },
		{ NET, "02/04", LATER, "net", CARD, NULL, false },
		/* A prefix of the path's text, but another device. */
		{ NET, "02/03", LATER, "net", BRIDGE "/0000:01:03.01/virtio5/net/eth1", NULL,
		  false },

		{ PCI, "02/03", IN_SYSFS, "pci", BRIDGE "/0000:01:03.0", "0000:01:03.0", false },
		{ PCI, "02/03", LATER, "pci", BRIDGE "/0000:01:03.0", "0000:01:03.0", false },
		{ PCI, "02/03", LATER, "pci", BRIDGE "/0000:01:03.1", NULL, false },
		{ VFIO, "12", GONE, "vfio", "/devices/virtual/vfio/12", NULL, false },
		{ VFIO, "12", LATER, "vfio", "/devices/virtual/vfio/1", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("case %zu: %s %s\n", i, cases[i].asked, cases[i].devpath);
		fiber_main(run_case, (void *)(uintptr_t)&cases[i]);
	}
}

/* Each kind of device in each story, and one of its kind that is elsewhere. */
static void test_every_kind_in_every_story(void **state)
{
	static const struct {
		enum wait_for what;
		const char *asked, *subsystem, *devpath, *want, *elsewhere;
	} kinds[] = {
		{ BLK, "02/03", "block", DISK, "/vdb",
		  "/devices/pci0000:00/0000:00:03.0/0000:02:03.0/virtio5/block/vdb" },
		{ NODE, "/dev/pmem1", "block", PMEM, "/pmem1", "/devices/virtual/block/loop1" },
		{ SCSI_DISK, "1:3", "block", SCSI, "/sdc",
		  "/devices/pci0000:00/0000:00:04.0/virtio1/host2/target2:1:1/2:1:1:3/block/sdc" },
		{ BLK_CCW, "0.0.0005", "block", CCW, "/vdd",
		  "/devices/css1/0.0.0001/0.0.0005/virtio2/block/vdd" },
		{ NET, "02/03", "net", CARD, "eth1",
		  "/devices/pci0000:00/0000:00:03.0/0000:02:03.0/virtio5/net/eth1" },
		{ NET, "0.0.0005", "net", CCWNET, "eth2",
		  "/devices/css0/0.0.0001/0.0.0006/virtio2/net/eth2" },
		{ PCI, "02/03", "pci", BRIDGE "/0000:01:03.0", "0000:01:03.0",
		  "/devices/pci0000:00/0000:00:03.0/0000:02:03.0" },
		{ VFIO, "12", "vfio", GROUP, "/vfio/12", "/devices/virtual/vfio/112" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		for (enum story story = IN_SYSFS; story <= GONE_AND_BACK; story++) {
			struct test_case c = {
				.what = kinds[i].what,
				.asked = kinds[i].asked,
				.story = story,
				.subsystem = kinds[i].subsystem,
				.devpath = kinds[i].devpath,
				.want = story == GONE ? NULL : kinds[i].want,
			};

			print_message("%s, story %d\n", c.devpath, (int)story);
			fiber_main(run_case, &c);
			if (story == UNANNOUNCED)
				continue; /* waits its whole time */
			c.devpath = kinds[i].elsewhere;
			c.want = NULL;
			fiber_main(run_case, &c);
		}
	}
}

static void bad_names(void *arg)
{
	static const struct {
		enum wait_for what;
		const char *asked;
	} cases[] = {
		{ BLK, "" },
		{ BLK, "../../x" },
		{ NODE, "vda" },
		{ NODE, "/dev/" },
		{ NODE, "/dev/a/b" },
		{ NODE, "/dev/.." },
		{ SCSI_DISK, "1" },
		{ SCSI_DISK, "1:" },
		{ SCSI_DISK, "a:1" },
		{ SCSI_DISK, "256:1" },
		{ SCSI_DISK, "1:16384" },
		{ BLK_CCW, "../0" },
		{ NET, "x" },
		{ PCI, "20" },
		{ VFIO, "../1" },
		{ VFIO, "" },
	};
	struct device_watch *w = device_watch_new("/none/sys", "/none/dev", TIMEOUT_MS);

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *got = NULL;
		struct err e;

		assert_err(wait_one(w, cases[i].what, cases[i].asked, &got, &e), &e, ERR_INVALID,
			   "");
	}
	device_watch_free(w);
}

static void test_bad_names(void **state)
{
	(void)state;
	fiber_main(bad_names, NULL);
}

/* The node never comes: the error says that it is the node that is missing. */
static void no_node(void *arg)
{
	struct device_watch *w;
	auto_free char *got = NULL;
	struct device_tree t;
	struct err e;

	(void)arg;
	device_tree_make(&t);
	device_tree_add(&t, BUS);
	device_tree_add_disk(&t, DISK, false);
	w = device_watch_new(t.sys, t.dev, TIMEOUT_MS);
	assert_err(device_wait_blk(w, "02/03", DEADLINE_NEVER, &got, &e), &e, ERR_TIMEOUT,
		   "its node");
	/* A deadline in the past still finds what is there. */
	device_tree_add_node(&t, "vdb");
	e = ERR_INIT;
	assert_ok(device_wait_blk(w, "02/03", deadline_in_ms(0), &got, &e), &e);
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_no_node(void **state)
{
	(void)state;
	fiber_main(no_node, NULL);
}

/* Longer than the whole time to wait, for everybody. */
static void stand_still(void *arg)
{
	const struct device_tree *t = arg;
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
	assert_int_equal(poll(NULL, 0, 2 * GIVES_UP_MS), 0);
	assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
	device_tree_add_disk(t, DISK, true);
}

/* What comes once the machine goes on has come in time. */
static void machine_that_stood_still(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	auto_free char *got = NULL;
	struct device_watch *w;
	struct device_tree t;
	struct err e = ERR_INIT;

	(void)arg;
	device_tree_make(&t);
	device_tree_add(&t, BUS);
	w = device_watch_new(t.sys, t.dev, GIVES_UP_MS);
	fiber_group_start(&g, "machine", stand_still, &t);
	assert_ok(device_wait_blk(w, "02/03", DEADLINE_NEVER, &got, &e), &e);
	fiber_group_wait(&g);
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_machine_that_stood_still(void **state)
{
	(void)state;
	fiber_main(machine_that_stood_still, NULL);
}

#define UNUSED_MAJOR 240 /* of those for experiments: no driver of this machine has it */

struct swap_node {
	const struct device_tree *tree;
	const char *node;
};

static void make_usable(void *arg)
{
	const struct swap_node *s = arg;
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
	assert_int_equal(unlink(s->node), 0);
	device_tree_add_node(s->tree, "vdb");
}

/* The kernel has made disk and node, and is still reading its partitions: opening it is ENXIO. */
static void unusable_node(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	auto_free char *node = NULL;
	auto_free char *got = NULL;
	struct device_watch *w;
	struct device_tree t;
	struct err e = ERR_INIT;

	(void)arg;
	device_tree_make(&t);
	device_tree_add(&t, BUS);
	device_tree_add_disk(&t, DISK, false);
	node = path_join(t.dev, "vdb");
	assert_int_equal(mknod(node, S_IFBLK | 0600, makedev(UNUSED_MAJOR, 77)), 0);
	w = device_watch_new(t.sys, t.dev, TIMEOUT_MS);
	assert_err(device_wait_blk(w, "02/03", DEADLINE_NEVER, &got, &e), &e, ERR_TIMEOUT,
		   "cannot be opened");
	device_watch_free(w);
	w = device_watch_new(t.sys, t.dev, PATIENCE_MS);
	fiber_group_start(&g, "kernel", make_usable,
			  &(struct swap_node){ .tree = &t, .node = node });
	e = ERR_INIT;
	assert_ok(device_wait_blk(w, "02/03", DEADLINE_NEVER, &got, &e), &e);
	fiber_group_wait(&g);
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_unusable_node(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* nodes are root's to make */
	fiber_main(unusable_node, NULL);
}

/* Each host is asked to look. */
static void scan(void *arg)
{
	struct device_watch *w;
	auto_free char *got = NULL;
	struct device_tree t;
	struct err e = ERR_INIT;

	(void)arg;
	device_tree_make(&t);
	for (int i = 0; i < 2; i++) {
		auto_free char *host = xasprintf("/class/scsi_host/host%d", i);
		auto_free char *path = xasprintf("%s%s/scan", t.sys, host);
		int fd;

		device_tree_add(&t, host);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	w = device_watch_new(t.sys, t.dev, TIMEOUT_MS);
	assert_int_equal(device_wait_scsi(w, "7:9", DEADLINE_NEVER, &got, &e), -1);
	for (int i = 0; i < 2; i++) {
		auto_free char *path = xasprintf("%s/class/scsi_host/host%d/scan", t.sys, i);
		auto_free char *text = NULL;

		assert_ok(file_read(AT_FDCWD, path, 100, &text, NULL, &e), &e);
		assert_string_equal(text, "0 7 9");
	}
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_scan(void **state)
{
	(void)state;
	fiber_main(scan, NULL);
}

/* Plugged memory is of no use before somebody says so. */
static void new_memory(void *arg)
{
	static const char block[] = "/devices/system/memory/memory40";
	struct device_watch *w;
	struct device_tree t;
	struct err e = ERR_INIT;

	(void)arg;
	device_tree_make(&t);
	device_tree_add(&t, block);
	w = device_watch_new(t.sys, t.dev, TIMEOUT_MS);
	for (int i = 0; i < 2; i++) {
		auto_free char *path = xasprintf("%s%s/online", t.sys, block);
		auto_free char *text = NULL;
		auto_free char *message = NULL;
		auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		size_t len;

		assert_int_equal(write_all(fd, "0", 1), 0);
		message = device_tree_event(i ? "add" : "change", "memory", block, &len);
		device_watch_feed(w, message, len);
		assert_ok(file_read(AT_FDCWD, path, 100, &text, NULL, &e), &e);
		assert_string_equal(text, i ? "1" : "0");
	}
	device_watch_free(w);
	device_tree_remove(&t);
}

static void takes_new_memory(void **state)
{
	(void)state;
	fiber_main(new_memory, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_every_kind_in_every_story),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_no_node),
		cmocka_unit_test(test_machine_that_stood_still),
		cmocka_unit_test(test_unusable_node),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(takes_new_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

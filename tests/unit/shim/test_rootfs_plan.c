/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount lists as containerd 1.6 to 2.4 hands them over (containerd-shim.md 5.5, 5.7), and what they
 * become. A list is text: one mount a line, "type|source|option,option"; a plan is described by a line.
 */
#include "tests/lib/test.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "shim/storage/mount_template.h"
#include "shim/storage/rootfs_plan.h"

#define ROOM 200

struct list {
	char *text;
	struct rootfs_mount m[ROOM];
	char *options[ROOM][ROOM];
	size_t n;
};

static struct list *list_read(const char *text)
{
	struct list *l = xnew(struct list);
	char *rest, *line;

	l->text = xstrdup(text);
	rest = l->text;
	while ((line = strsep(&rest, "\n"))) {
		struct rootfs_mount *m = &l->m[l->n];
		char *options, *word;
		size_t k = 0;

		m->type = strsep(&line, "|");
		m->source = strsep(&line, "|");
		m->target = "";
		options = line;
		while (options && *options && (word = strsep(&options, ",")))
			l->options[l->n][k++] = word;
		m->options = l->options[l->n];
		l->n++;
	}
	return l;
}

static void list_free(struct list *l)
{
	free(l->text);
	free(l);
}

static void describe_disk(struct buf *b, const struct rootfs_disk *d)
{
	buf_addf(b, " %s:%s", d->fstype, d->file);
	for (size_t i = 0; d->more && d->more[i]; i++)
		buf_addf(b, "+%s", d->more[i]);
	buf_addf(b, " %s%s", d->read_only ? "ro" : "rw", d->is_image ? " image" : "");
	if (d->verity)
		buf_addf(b, " verity=%s", d->verity);
	if (d->make_bytes)
		buf_addf(b, " make=%" PRIu64, d->make_bytes);
	if (d->make_uuid)
		buf_addf(b, " uuid=%s", d->make_uuid);
	for (size_t i = 0; d->options && d->options[i]; i++)
		buf_addf(b, "%s%s", i ? "," : " (", d->options[i]);
	buf_addf(b, "%s;", d->options ? ")" : "");
}

static char *describe(const struct rootfs_plan *p)
{
	static const char *const ways[] = { "host", "disk", "layers", "directory" };
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s%s", ways[p->way], p->read_only ? " read-only" : "");
	if (p->directory)
		buf_addf(&b, " %s", p->directory);
	if (p->upper_on_host)
		buf_addf(&b, " upper=%s", p->upper_on_host);
	for (size_t i = 0; p->mkdirs && p->mkdirs[i]; i++)
		buf_addf(&b, " mkdir=%s", p->mkdirs[i]);
	buf_addf(&b, ":");
	if (p->has_writable)
		describe_disk(&b, &p->writable);
	for (size_t i = 0; i < p->n_layers; i++)
		describe_disk(&b, &p->layer[i]);
	return b.data;
}

static void check_plan(const char *mounts, const char *want)
{
	struct list *l = list_read(mounts);
	auto_rootfs_plan struct rootfs_plan p;
	auto_free char *have = NULL;
	struct err e = ERR_INIT;

	if (rootfs_plan_make(l->m, l->n, &p, &e) < 0)
		fail_msg("%s\n%s", mounts, e.text);
	have = describe(&p);
	assert_string_equal(have, want);
	list_free(l);
}

static void check_refused(const char *mounts, enum err_code code, const char *part)
{
	struct list *l = list_read(mounts);
	struct rootfs_plan p;
	struct err e;

	assert_err(rootfs_plan_make(l->m, l->n, &p, &e), &e, code, part);
	list_free(l);
}

#define OVERLAY_BLOCK                                                                             \
	"format/mkdir/overlay|overlay|X-containerd.mkdir.path={{ mount 0 }}/upper:0755,"          \
	"X-containerd.mkdir.path={{ mount 0 }}/work:0755,workdir={{ mount 0 }}/work,upperdir={{ " \
	"mount 0 }}/upper,lowerdir="

static void test_layers(void **state)
{
	(void)state;
	/* (A) a directory for what is written, three layers */
	check_plan("erofs|/SN/3/layer.erofs|ro,loop\n"
		   "erofs|/SN/2/layer.erofs|ro,loop\n"
		   "erofs|/SN/1/layer.erofs|ro,loop\n"
		   "format/mkdir/overlay|overlay|workdir=/SN/9/work,upperdir=/SN/9/fs,lowerdir={{ "
		   "overlay 0 2 }}",
		   "layers upper=/SN/9/fs: erofs:/SN/3/layer.erofs ro image (ro); "
		   "erofs:/SN/2/layer.erofs ro image (ro); erofs:/SN/1/layer.erofs ro image (ro);");
	/* (B) an image for what is written */
	check_plan("mkfs/ext4|/SN/9/rwlayer.img|X-containerd.mkfs.fs=ext4,X-containerd.mkfs.size="
		   "67108864,rw,loop\n"
		   "erofs|/SN/2/layer.erofs|ro,loop\n"
		   "erofs|/SN/1/layer.erofs|ro,loop\n" OVERLAY_BLOCK "{{ overlay 1 2 }}",
		   "layers mkdir=upper mkdir=work: ext4:/SN/9/rwlayer.img rw image make=67108864 "
		   "(rw); erofs:/SN/2/layer.erofs ro image (ro); erofs:/SN/1/layer.erofs ro image "
		   "(ro);");
	/* the same, formatted by containerd; one layer, verified; blanks as the writer likes them */
	check_plan("ext4|/SN/9/rwlayer.img|rw,loop\n"
		   "erofs|/SN/1/layer.erofs|ro,loop,X-containerd.dmverity=/SN/1/"
		   "layer.erofs.dmverity\n" OVERLAY_BLOCK "{{mount  1}}",
		   "layers mkdir=upper mkdir=work: ext4:/SN/9/rwlayer.img rw image (rw); "
		   "erofs:/SN/1/layer.erofs ro image verity=/SN/1/layer.erofs.dmverity (ro);");
	/* (E) layers above a merged image; SELinux words and tuning in passing */
	check_plan("erofs|/SN/3/layer.erofs|ro,loop,context=\"a:b:c\"\n"
		   "erofs|/SN/2/fsmeta.erofs|ro,loop,device=/SN/1/layer.erofs,device=/SN/2/"
		   "layer.erofs\n"
		   "format/mkdir/overlay|overlay|workdir=/SN/9/work,upperdir=/SN/9/fs,lowerdir={{ "
		   "mount 0 }}:{{ mount 1 }},index=off",
		   "layers upper=/SN/9/fs: erofs:/SN/3/layer.erofs ro image (ro); "
		   "erofs:/SN/2/fsmeta.erofs+/SN/1/layer.erofs+/SN/2/layer.erofs ro image (ro);");
	/* an overlay that counts down */
	check_plan("erofs|/b|ro\nerofs|/a|ro\noverlay|overlay|lowerdir={{ overlay 0 1 }}",
		   "layers read-only: erofs:/b ro image (ro); erofs:/a ro image (ro);");
}

static void test_without_layers(void **state)
{
	(void)state;
	check_plan("mkfs/ext4|/SN/9/rwlayer.img|X-containerd.mkfs.fs=ext4,X-containerd.mkfs.size="
		   "64MiB,X-containerd.mkfs.uuid=0f7ff3a1-a5c9-4f66-8f11-3a1bd1d9be55,rw,loop\n"
		   "format/mkdir/bind|{{ mount 0 }}/upper|X-containerd.mkdir.path={{ mount 0 "
		   "}}/upper:0755,rw,rbind",
		   "directory upper mkdir=upper: ext4:/SN/9/rwlayer.img rw image make=67108864 "
		   "uuid=0f7ff3a1-a5c9-4f66-8f11-3a1bd1d9be55 (rw);");
}

static void test_views(void **state)
{
	(void)state;
	check_plan("erofs|/SN/1/layer.erofs|ro,loop,X-containerd.dmverity=/v",
		   "disk: erofs:/SN/1/layer.erofs ro image verity=/v (ro);");
	check_plan("erofs|/SN/2/layer.erofs|ro,loop\nerofs|/SN/1/layer.erofs|ro,loop\n"
		   "format/mkdir/overlay|overlay|lowerdir={{ overlay 0 1 }}",
		   "layers read-only: erofs:/SN/2/layer.erofs ro image (ro); "
		   "erofs:/SN/1/layer.erofs ro image (ro);");
	check_plan("erofs|/SN/2/fsmeta.erofs|ro,loop,device=/SN/1/layer.erofs\n"
		   "format/bind|{{ mount 0 }}|ro,rbind",
		   "layers read-only: erofs:/SN/2/fsmeta.erofs+/SN/1/layer.erofs ro image (ro);");
	check_plan("erofs|/SN/2/fsmeta.erofs|ro,loop,device=/SN/1/layer.erofs,"
		   "X-containerd.dmverity=/v",
		   "layers read-only: erofs:/SN/2/fsmeta.erofs+/SN/1/layer.erofs ro image "
		   "verity=/v (ro);");
}

static void test_other_snapshotters(void **state)
{
	(void)state;
	check_plan("ext4|/dev/mapper/pool-snap-7|", "disk: ext4:/dev/mapper/pool-snap-7 rw;");
	check_plan("xfs|/dev/mapper/pool-snap-7|nouuid,ro",
		   "disk: xfs:/dev/mapper/pool-snap-7 ro (nouuid,ro);");
	check_plan("xfs|/dev/mapper/pool-snap-7|rw",
		   "disk: xfs:/dev/mapper/pool-snap-7 rw (rw,nouuid);");
	check_plan("ext4|/bf/snapshots/3|loop,rw", "disk: ext4:/bf/snapshots/3 rw image (rw);");
	check_plan("bind|/native/1|rw,rbind", "host:");
	check_plan("overlay|overlay|workdir=/w,upperdir=/u,lowerdir=/3/fs:/2/fs", "host:");
	check_plan("btrfs|/dev/sda1|subvolid=5", "host:");
	check_plan("bind|/native/1|rw,rbind\nbind|/other|rw", "host:");
}

static void test_nothing_is_the_hosts(void **state)
{
	auto_rootfs_plan struct rootfs_plan p;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(rootfs_plan_make(NULL, 0, &p, &e), &e);
	assert_int_equal(p.way, ROOTFS_HOST);
}

static char *many(unsigned n)
{
	struct buf b = BUF_INIT;

	for (unsigned i = n; i > 0; i--)
		buf_addf(&b, "erofs|/SN/%u/layer.erofs|ro,loop\n", i);
	buf_addf(&b, "format/overlay|overlay|lowerdir={{ overlay 0 %u }}", n - 1);
	return b.data;
}

static void test_number_of_layers(void **state)
{
	auto_free char *most = many(ROOTFS_LAYERS_MAX);
	auto_free char *more = many(ROOTFS_LAYERS_MAX + 1);
	struct list *l = list_read(most);
	auto_rootfs_plan struct rootfs_plan p;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(rootfs_plan_make(l->m, l->n, &p, &e), &e);
	assert_int_equal(p.n_layers, ROOTFS_LAYERS_MAX);
	assert_string_equal(p.layer[0].file, "/SN/128/layer.erofs");
	assert_string_equal(p.layer[127].file, "/SN/1/layer.erofs");
	list_free(l);
	check_refused(more, ERR_EXHAUSTED, "more than 128 layers");
}

static void test_what_cannot_be(void **state)
{
	static const struct {
		const char *mounts;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ "erofs|/a|ro\nerofs|/b|ro", ERR_UNSUPPORTED,
		  "mount 1 of the root file system, erofs '/b'" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 1 }}", ERR_INVALID,
		  "there is no mount 1" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount -1 }}", ERR_INVALID, "'-1'" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ source 0 }}", ERR_INVALID, "'source'" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0", ERR_INVALID, "not understood" },
		{ "erofs|/a|ro\noverlay|o|lowerdir=/x{{ mount 0 }}", ERR_INVALID,
		  "not understood" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0 }}/x", ERR_UNSUPPORTED,
		  "is no disk" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0 }}:/x", ERR_UNSUPPORTED,
		  "is no disk" },
		{ "erofs|/a|ro\nerofs|/b|ro\noverlay|o|lowerdir={{ mount 1 }}", ERR_UNSUPPORTED,
		  "1 of 2 layers" },
		{ "erofs|/a|ro\nerofs|/b|ro\noverlay|o|lowerdir={{ overlay 1 0 }}", ERR_UNSUPPORTED,
		  "another order" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0 }},uidmap=0:1:2", ERR_UNSUPPORTED,
		  "uidmap=" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0 }},userxattr", ERR_UNSUPPORTED,
		  "userxattr" },
		{ "erofs|/a|ro\noverlay|o|lowerdir={{ mount 0 }},upperdir=/u", ERR_INVALID,
		  "alone" },
		{ "erofs|/a|ro\noverlay|o|upperdir=/u,workdir=/w", ERR_INVALID, "no lowerdir=" },
		{ "erofs|/a|ro,device=b", ERR_INVALID, "device=b" },
		{ "erofs|/a|ro,X-containerd.other=1", ERR_UNSUPPORTED, "X-containerd.other" },
		{ "erofs|a|ro", ERR_INVALID, "no absolute path" },
		{ "ext4|/a|X-containerd.dmverity=/v", ERR_UNSUPPORTED, "X-containerd.dmverity" },
		{ "ext4|/a|io.katacontainers.volume=e30=", ERR_UNSUPPORTED, "io.katacontainers" },
		{ "mkfs/ext4|/a|X-containerd.mkfs.size=1M", ERR_UNSUPPORTED, "alone" },
		{ "mkfs/ext4|/a|rw\nerofs|/b|ro\noverlay|o|lowerdir={{ mount 1 }}", ERR_INVALID,
		  "mkfs.size" },
		{ "mkfs/ext4|/a|X-containerd.mkfs.fs=xfs\nbind|{{ mount 0 }}/u|rw", ERR_INVALID,
		  "mkfs.fs" },
		{ "mkfs/ext4|/a|X-containerd.mkfs.size=1x\nbind|{{ mount 0 }}/u|rw", ERR_INVALID,
		  "no size" },
		{ "mkfs/ext4|/a|X-containerd.mkfs.uuid=--help\nbind|{{ mount 0 }}/u|rw",
		  ERR_INVALID, "no UUID" },
		{ "mkfs/xfs|/a|X-containerd.mkfs.size=1G\nbind|{{ mount 0 }}/u|rw", ERR_UNSUPPORTED,
		  "'xfs'" },
		{ "ext4|/a|rw\next4|/b|rw\nbind|{{ mount 0 }}/u|rw\nformat/bind|{{ mount 0 }}|",
		  ERR_UNSUPPORTED, "more than one writable" },
		{ "ext4|/a|rw,loop\nerofs|/b|ro\noverlay|o|lowerdir={{ mount 1 }},upperdir=/u,workdir=/w",
		  ERR_UNSUPPORTED, "not in the writable layer" },
		{ "ext4|/a|rw,loop\nerofs|/b|ro\noverlay|o|lowerdir={{ mount 1 }},upperdir={{ mount 0 }}/x,workdir={{ mount 0 }}/work",
		  ERR_UNSUPPORTED, "upper" },
		{ "ext4|/a|rw,loop\nformat/mkdir/bind|{{ mount 0 }}/u|X-containerd.mkdir.path={{ mount 0 }}/u:0700",
		  ERR_UNSUPPORTED, "0700" },
		{ "erofs|/b|ro\nformat/mkdir/overlay|o|lowerdir={{ mount 0 }},X-containerd.mkdir.path={{ mount 0 }}/u",
		  ERR_UNSUPPORTED, "made in a layer" },
		{ "format/nfs|server:/a|ro", ERR_UNSUPPORTED, "format/nfs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].mounts, rows[i].code, rows[i].part);
}

static void test_paths(void **state)
{
	struct mount_path p;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(mount_path_parse("{{ mount 2 }}//upper/a", 3, &p, &e), &e);
	assert_true(p.is_template);
	assert_int_equal(p.first, 2);
	assert_string_equal(p.rest, "upper/a");
	assert_ok(mount_path_parse("{{overlay 2 0}}", 3, &p, &e), &e);
	assert_int_equal(p.first, 2);
	assert_int_equal(p.last, 0);
	assert_ok(mount_path_parse("/plain", 0, &p, &e), &e);
	assert_false(p.is_template);
	assert_string_equal(p.rest, "/plain");
	assert_err(mount_path_parse("{{ mount 0 1 2 }}", 3, &p, &e), &e, ERR_INVALID,
		   "too many words");
	assert_err(mount_path_parse("{{ mount 0 }}{{ mount 1 }}", 3, &p, &e), &e, ERR_INVALID,
		   "not understood");
	assert_err(mount_path_parse("{{ }}", 3, &p, &e), &e, ERR_INVALID, "''");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_without_layers),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_other_snapshotters),
		cmocka_unit_test(test_nothing_is_the_hosts),
		cmocka_unit_test(test_number_of_layers),
		cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests_name("plan of a root file system", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From the storages of a request to what is to be mounted how; see layers_plan.h. */
#include "agent/storage/layers_plan.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

#define DRIVER      "erofs.multi-layer"
#define MEMBER      "X-kata.multi-layer=true"
#define UPPER       "X-kata.overlay-upper"
#define LOWER       "X-kata.overlay-lower"
#define PARTITIONED "X-kata.gpt-partitioned=true"
#define PARTITION   "X-kata.partition-number="
#define MKDIR       "X-kata.mkdir.path="

/* No words of Kata's: husk's shim asks first. */
#define BLOB_OF   "X-husk.blob-of-partition="
#define UPPER_DIR "X-husk.upper-directory="
#define WORK_DIR  "X-husk.work-directory="

#define IN_UPPER        "{{ mount 0 }}/"
#define IN_LOWER        "{{ mount 1 }}/"
#define PARTITIONS_MAX  128u /* of the table that the host writes */
#define DIRECTORIES_MAX 64u

static bool has_option(const Grpc__Storage *s, const char *option)
{
	for (size_t i = 0; i < s->n_options; i++)
		if (strcmp(s->options[i], option) == 0)
			return true;
	return false;
}

bool layers_is_member(const Grpc__Storage *s)
{
	return strcmp(s->driver, DRIVER) == 0 || has_option(s, MEMBER);
}

static bool is_upper(const Grpc__Storage *s)
{
	return has_option(s, UPPER) || (!has_option(s, LOWER) && strcmp(s->fstype, "ext4") == 0);
}

int layers_target(Grpc__Storage *const *member, size_t n, const char **ret, struct err *e)
{
	const Grpc__Storage *first = NULL;

	for (size_t i = 0; i < n; i++)
		if (!first || (is_upper(member[i]) && !is_upper(first)))
			first = member[i];
	if (!first)
		return err_set(e, ERR_INVALID, "there are no layers");
	*ret = first->mount_point;
	return 0;
}

static int read_partition(const Grpc__Storage *s, uint32_t *ret, struct err *e)
{
	const char *text = NULL;

	for (size_t i = 0; i < s->n_options; i++)
		if (strncmp(s->options[i], PARTITION, strlen(PARTITION)) == 0)
			text = s->options[i] + strlen(PARTITION);
	*ret = 0;
	if (!has_option(s, PARTITIONED)) {
		if (text)
			return err_set(e, ERR_INVALID,
				       "X-kata.partition-number: the disk has no partitions");
		return 0;
	}
	if (!text)
		return err_set(e, ERR_INVALID, "X-kata.partition-number: is missing");
	if (!num_u32(text, 10, ret) || *ret == 0 || *ret > PARTITIONS_MAX)
		return err_set(e, ERR_INVALID, "X-kata.partition-number: '%s' is not from 1 to %u",
			       text, PARTITIONS_MAX);
	return 0;
}

/* "<template>[:<mode>[:…]]"; the mode of a new directory is 0755. */
static int read_mkdirs(const Grpc__Storage *s, struct layers_plan *p, struct err *e)
{
	for (size_t i = 0; i < s->n_options; i++) {
		const char *text = s->options[i] + strlen(MKDIR);
		auto_free char *entry = NULL;
		bool upper;

		if (strncmp(s->options[i], MKDIR, strlen(MKDIR)) != 0)
			continue;
		upper = strncmp(text, IN_UPPER, strlen(IN_UPPER)) == 0;
		if (!upper && strncmp(text, IN_LOWER, strlen(IN_LOWER)) != 0)
			return err_set(e, ERR_INVALID, "%s: is not in a layer", s->options[i]);
		if (strv_len((const char *const *)p->mkdirs) >= DIRECTORIES_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u directories to make",
				       DIRECTORIES_MAX);
		text += strlen(IN_UPPER);
		entry = xasprintf("%c/%.*s", upper ? '0' : '1', (int)strcspn(text, ":"), text);
		strv_add(&p->mkdirs, entry);
	}
	return 0;
}

/* The name that such an option gives, in the place of *name. */
static int read_name(const Grpc__Storage *s, const char *option, char **name, struct err *e)
{
	for (size_t i = 0; i < s->n_options; i++) {
		const char *text = s->options[i] + strlen(option);

		if (strncmp(s->options[i], option, strlen(option)) != 0)
			continue;
		if (!*text || strpbrk(text, "/,:\\") || strcmp(text, ".") == 0 ||
		    strcmp(text, "..") == 0)
			return err_set(e, ERR_INVALID, "%s '%s' is no name of a directory", option,
				       text);
		free(*name);
		*name = xstrdup(text);
		return 0;
	}
	return err_set(e, ERR_INVALID, "%s is missing", option);
}

static int add_upper(struct layers_plan *p, const Grpc__Storage *s, struct err *e)
{
	if (p->upper)
		return err_set(e, ERR_INVALID, "there is more than one writable layer");
	p->upper_is_directory = strcmp(s->fstype, "bind") == 0;
	if (p->upper_is_directory) {
		p->upper = s;
		if (read_name(s, UPPER_DIR, &p->upper_name, e) < 0)
			return -1;
		return read_name(s, WORK_DIR, &p->work_name, e);
	}
	if (strcmp(s->fstype, "ext4") != 0)
		return err_set(e, ERR_INVALID, "a writable layer is ext4, not '%s'", s->fstype);
	p->upper = s;
	return 0;
}

static int read_blob_of(const Grpc__Storage *s, uint32_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < s->n_options; i++) {
		const char *text = s->options[i] + strlen(BLOB_OF);

		if (strncmp(s->options[i], BLOB_OF, strlen(BLOB_OF)) != 0)
			continue;
		if (*ret != 0 || !num_u32(text, 10, ret) || *ret == 0)
			return err_set(e, ERR_INVALID, BLOB_OF " '%s' is no partition", text);
	}
	if (*ret != 0 && has_option(s, LOWER))
		return err_set(e, ERR_INVALID, BLOB_OF " a layer is no blob");
	return 0;
}

static int add_lower(struct layers_plan *p, const Grpc__Storage *s, struct err *e)
{
	struct layer *l;
	uint32_t blob_of;
	int verified;

	if (read_blob_of(s, &blob_of, e) < 0)
		return -1;
	l = blob_of ? &p->blob[p->n_blobs] : &p->lower[p->n];
	l->blob_of = blob_of;
	if (strcmp(s->fstype, "erofs") != 0)
		return err_set(e, ERR_INVALID, "a layer is erofs, not '%s'", s->fstype);
	l->storage = s;
	if (read_partition(s, &l->partition, e) < 0)
		return -1;
	verified = verity_options_parse(s->options, s->n_options, &l->verity, e);
	if (verified < 0)
		return -1;
	l->verified = verified;
	*(blob_of ? &p->n_blobs : &p->n) += 1;
	return 0;
}

/* The lower number is the upper layer. Stable, and short: at most LAYERS_MAX. */
static void sort_by_partition(struct layers_plan *p)
{
	for (size_t i = 1; i < p->n; i++)
		for (size_t k = i; k > 0 && p->lower[k].partition < p->lower[k - 1].partition;
		     k--) {
			struct layer l = p->lower[k];

			p->lower[k] = p->lower[k - 1];
			p->lower[k - 1] = l;
		}
}

static int add_member(struct layers_plan *p, const Grpc__Storage *s, struct err *e)
{
	if ((is_upper(s) ? add_upper(p, s, e) : add_lower(p, s, e)) < 0)
		return -1;
	return read_mkdirs(s, p, e);
}

/* The disk of a blob is that of its image, which has been waited for. */
static int check_blob(const struct layers_plan *p, const struct layer *blob, struct err *e)
{
	if (blob->partition == 0)
		return err_set(e, ERR_INVALID, BLOB_OF " the blob is no partition");
	for (size_t i = 0; i < p->n; i++)
		if (p->lower[i].partition == blob->blob_of)
			return strcmp(p->lower[i].storage->source, blob->storage->source) == 0
				       ? 0
				       : err_set(e, ERR_INVALID, BLOB_OF " it is on another disk");
	return err_set(e, ERR_INVALID, BLOB_OF " partition %u is no layer", blob->blob_of);
}

static int fill(struct layers_plan *p, Grpc__Storage *const *member, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (add_member(p, member[i], e) < 0)
			return err_wrap(e, "layer %zu of the request", i + 1);
	if (p->n == 0)
		return err_set(e, ERR_INVALID, "there are no layers to read from");
	for (size_t i = 0; i < p->n; i++)
		if ((p->lower[i].partition == 0) != (p->lower[0].partition == 0))
			return err_set(e, ERR_INVALID,
				       "some layers are partitions and some are disks");
	for (size_t i = 0; i < p->n_blobs; i++)
		if (check_blob(p, &p->blob[i], e) < 0)
			return -1;
	sort_by_partition(p);
	return 0;
}

int layers_plan_make(Grpc__Storage *const *member, size_t n, struct layers_plan *ret, struct err *e)
{
	struct layers_plan p = { .n = 0 };

	if (n > LAYERS_MAX + 1)
		return err_set(e, ERR_EXHAUSTED, "more than %u layers", LAYERS_MAX);
	p.lower = xcalloc(n + 1, sizeof(p.lower[0]));
	p.blob = xcalloc(n + 1, sizeof(p.blob[0]));
	p.upper_name = xstrdup("upper");
	p.work_name = xstrdup("work");
	if (fill(&p, member, n, e) < 0) {
		layers_plan_done(&p);
		return -1;
	}
	*ret = p;
	return 0;
}

void layers_plan_done(struct layers_plan *p)
{
	free(p->lower);
	free(p->blob);
	free(p->upper_name);
	free(p->work_name);
	strv_free(p->mkdirs);
	*p = (struct layers_plan){ .n = 0 };
}

char *layers_partition_node(const char *disk, uint32_t partition)
{
	size_t len = strlen(disk);
	bool digit = len > 0 && disk[len - 1] >= '0' && disk[len - 1] <= '9';

	return xasprintf("%s%s%u", disk, digit ? "p" : "", partition);
}

char *layers_overlay_data(const struct layers_plan *p)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "lowerdir=");
	for (size_t i = 0; i < p->n; i++)
		buf_addf(&b, "%slower-%zu", i > 0 ? ":" : "", i);
	buf_addf(&b, ",upperdir=upper/%s,workdir=upper/%s", p->upper_name, p->work_name);
	return b.data;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which virtiofsd it is, and how each is spoken to; vsock context ids. */
#include "tests/lib/test.h"

#include <errno.h>

#include "common/base/mem.h"
#include "hypervisor/qemu/vsock.h"
#include "hypervisor/virtiofsd.h"

static void test_kind(void **state)
{
	enum virtiofsd_kind kind;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(virtiofsd_kind_of("virtiofsd version 7.2.22 (Debian 1:7.2)\nCopyright", &kind,
				    &e),
		  &e);
	assert_int_equal(kind, VIRTIOFSD_C);
	assert_ok(virtiofsd_kind_of("virtiofsd 1.13.2\n", &kind, &e), &e);
	assert_int_equal(kind, VIRTIOFSD_RUST);
	assert_err(virtiofsd_kind_of("", &kind, &e), &e, ERR_UNSUPPORTED, "neither");
	assert_err(virtiofsd_kind_of("cat (GNU coreutils) 9.1\nCopyright", &kind, &e), &e,
		   ERR_UNSUPPORTED, "with 'cat (GNU coreutils) 9.1', which");
}

struct args_case {
	enum virtiofsd_kind kind;
	const char *cache;
	const char *extra[4];
	bool debug;
	const char *want;
};

static const struct args_case args_cases[] = {
	{ VIRTIOFSD_C,
	  "auto",
	  { NULL },
	  false,
	  "/d --fd=3 -f -o source=/s -o cache=auto -o log_level=warn -o announce_submounts" },
	{ VIRTIOFSD_C,
	  "never",
	  { "--thread-pool-size=1", "--announce-submounts" },
	  true,
	  "/d --fd=3 -f -o source=/s -o cache=none -o log_level=info "
	  "-o announce_submounts --thread-pool-size=1" },
	{ VIRTIOFSD_C,
	  "metadata",
	  { NULL },
	  false,
	  "/d --fd=3 -f -o source=/s -o cache=none -o log_level=warn -o announce_submounts" },
	{ VIRTIOFSD_RUST,
	  "metadata",
	  { "--thread-pool-size=1", "--announce-submounts" },
	  false,
	  "/d --fd=3 --shared-dir=/s --cache=metadata --log-level=warn "
	  "--announce-submounts --thread-pool-size=1" },
};

static void test_args(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(args_cases); i++) {
		const struct args_case *t = &args_cases[i];
		const struct config_hypervisor c = {
			.virtio_fs_cache = (char *)(uintptr_t)t->cache,
			.virtio_fs_extra_args = (char **)(uintptr_t)t->extra,
			.enable_debug = t->debug,
		};
		auto_strv char **args = virtiofsd_args(t->kind, "/d", "/s", 3, &c);
		auto_buf struct buf got = BUF_INIT;

		for (char **a = args; *a; a++)
			buf_addf(&got, "%s%s", got.len > 0 ? " " : "", *a);
		assert_string_equal(got.data, t->want);
	}
}

/* The first `taken` ids are somebody's; then `error`, or success for 0. */
struct device {
	int taken, error, asked;
	uint32_t cid;
};

static int set_cid(void *arg, uint32_t cid)
{
	struct device *d = arg;

	d->cid = cid;
	errno = d->asked++ < d->taken ? EADDRINUSE : d->error;
	return errno == 0 ? 0 : -1;
}

static void test_cid(void **state)
{
	struct device free_one = { 0 }, third = { .taken = 2 }, full = { .taken = 1 << 20 },
		      broken = { .error = EACCES };
	struct err e = ERR_INIT;
	uint32_t cid = 0;

	(void)state;
	assert_ok(vsock_pick_cid(set_cid, &free_one, &cid, &e), &e);
	assert_int_equal(cid, free_one.cid);
	assert_true(cid >= VSOCK_CID_MIN && cid <= VSOCK_CID_MAX);
	assert_ok(vsock_pick_cid(set_cid, &third, &cid, &e), &e);
	assert_int_equal(third.asked, 3);
	assert_int_equal(cid, third.cid);
	assert_err(vsock_pick_cid(set_cid, &full, &cid, &e), &e, ERR_EXHAUSTED, "no free");
	assert_err(vsock_pick_cid(set_cid, &broken, &cid, &e), &e, ERR_DENIED, "context id");
	assert_int_equal(broken.asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_cid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

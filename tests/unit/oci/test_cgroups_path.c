/* SPDX-License-Identifier: Apache-2.0 */
/* The two spellings of a cgroup, and where systemd would put the second. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/oci/cgroups_path.h"

static void reads_both_spellings_of_a_path(void **state)
{
	static const struct {
		const char *given, *want; /* NULL: refused */
	} cases[] = {
		{ "/kubepods/pod1/abc", "/kubepods/pod1/abc" },
		{ "kubepods/abc", "/kubepods/abc" },
		{ "", NULL },
		{ "a.slice:cri-containerd:abc", "/a.slice/cri-containerd-abc.scope" },
		{ ":cri:abc", "/system.slice/cri-abc.scope" },
		{ "a.slice::abc", "/a.slice/abc.scope" },
		{ "kubepods-besteffort-pod1_2.slice:cri-containerd:abc",
		  "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/"
		  "cri-containerd-abc.scope" },
		{ "-.slice:cri:abc", "/cri-abc.scope" },
		{ "a.slice:cri:a-b.slice", "/a.slice/a-b.slice" },
		{ "-.slice:cri:a.slice", "/a.slice" },
		{ "b.slice:cri:a-b.slice", NULL },
		{ "a.slice:cri:a-b-c.slice", NULL },
		{ "a.slice:cri:a.slice", NULL },
		{ "a.slice:cri:-.slice", NULL },
		/* As systemd 252 answers: what has its name changed, and what is no name. */
		{ "a.slice-b.slice:cri:x", "/a.slice.slice/a.slice-b.slice/cri-x.scope" },
		{ "a\\x2db.slice:cri:x", "/a\\x2db.slice/cri-x.scope" },
		{ "cpu-a.slice::memory", "/_cpu.slice/cpu-a.slice/_memory.scope" },
		{ "cpu.a.slice::memory.a", "/cpu.a.slice/memory.a.scope" },
		{ "bpf-devices.slice::io-a", "/bpf.slice/_bpf-devices.slice/io-a.scope" },
		{ "_a-b.slice::_x", "/__a.slice/__a-b.slice/__x.scope" },
		{ ".a.slice::.x", "/_.a.slice/_.x.scope" },
		{ "cgroup.slice::cgroup.x", "/_cgroup.slice/_cgroup.x.scope" },
		{ "cgroups.slice:cgroup:x", "/cgroups.slice/cgroup-x.scope" },
		{ "a-b.slice:-:x", "/a.slice/a-b.slice/--x.scope" },
		{ ".slice:cri:abc", NULL },
		{ "--.slice:cri:abc", NULL },
		{ "-:cri:abc", NULL },
		{ "a b.slice:cri:abc", NULL },
		{ "a@b.slice:cri:abc", NULL },
		{ "\303\244.slice:cri:abc", NULL },
		{ "a.service:cri:abc", NULL },
		{ "a.slice:cri:a b", NULL },
		{ "a.slice:cri@:abc", NULL },
		{ "a.slice:cri:a\nb", NULL },
		{ "a--b.slice:cri:abc", NULL },
		{ "-a.slice:cri:abc", NULL },
		{ "a-.slice:cri:abc", NULL },
		{ "a:cri:abc", NULL },
		{ "a.slice:cri:", NULL },
		{ "/a:b:c", "/a:b:c" },
		{ "a:b", "/a:b" },
		{ "a:b:c:d", "/a:b:c:d" },
		{ "/", NULL },
		{ "/a/../b", NULL },
		{ "..", NULL },
		{ "/a\n/b", NULL },
		{ "/a/./b", NULL },
		{ "/a//b", NULL },
		{ "..:a:b", NULL },
		{ "/a/", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		auto_free char *path = cgroups_path_parse(cases[i].given, &e);

		if (cases[i].want) {
			assert_ok(path ? 0 : -1, &e);
			assert_string_equal(path, cases[i].want);
		} else {
			assert_null(path);
			assert_int_equal(e.code, ERR_INVALID);
		}
	}
}

/* A directory's name has no more bytes either. */
static void refuses_long_unit_names(void **state)
{
	struct err e = ERR_INIT;
	char name[300];

	(void)state;
	for (int len = 248; len <= 250; len++) { /* and ".scope" or ".slice" */
		auto_free char *text = NULL;
		auto_free char *scope = NULL;
		auto_free char *slice = NULL;

		memset(name, 'a', sizeof(name));
		name[len] = '\0';
		text = xasprintf("a.slice::%s", name);
		scope = cgroups_path_parse(text, &e);
		assert_int_equal(scope != NULL, len <= 249);
		free(text);
		text = xasprintf("%s.slice::a", name);
		slice = cgroups_path_parse(text, &e);
		assert_int_equal(slice != NULL, len <= 249);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_spellings_of_a_path),
		cmocka_unit_test(refuses_long_unit_names),
	};

	return cmocka_run_group_tests_name("cgroups path", tests, NULL, NULL);
}

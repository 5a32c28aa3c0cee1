/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded device events, and ones that are none. */
#include "tests/lib/test.h"

#include "agent/device/uevent.h"
#include "common/base/mem.h"

#define PATH "/devices/pci0000:00/0000:00:02.0/0000:01:00.0/virtio3/block/vda"
#define BLOCK                                                                               \
	"add@" PATH "\0ACTION=add\0DEVPATH=" PATH "\0SUBSYSTEM=block\0MAJOR=254\0MINOR=0\0" \
	"DEVNAME=vda\0DEVTYPE=disk\0DISKSEQ=3\0SEQNUM=1201"

/* With the last NUL, and without. */
#define WHOLE(text)                \
	{                          \
		text, sizeof(text) \
	}
#define CUT(text)                      \
	{                              \
		text, sizeof(text) - 1 \
	}

static void test_block(void **state)
{
	struct uevent u;

	(void)state;
	assert_true(uevent_parse(BLOCK, sizeof(BLOCK), &u));
	assert_string_equal(u.action, "add");
	assert_string_equal(u.devpath, PATH);
	assert_string_equal(u.subsystem, "block");
	assert_string_equal(u.devname, "vda");
	assert_string_equal(u.interface, "");
}

static void test_refused(void **state)
{
	static const struct {
		const char *message;
		size_t len;
	} cases[] = {
		CUT(""),
		CUT("add@/x"),
		WHOLE("libudev\0ACTION=add\0DEVPATH=/x"),
		WHOLE("add@/x\0DEVPATH=/x"),
		WHOLE("add@/x\0ACTION=add"),
		WHOLE("add@x\0ACTION=add\0DEVPATH=x"),
		CUT("add@/x\0ACTION=add\0DEVPATH=/x"),
	};
	struct uevent u;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (uevent_parse(cases[i].message, cases[i].len, &u))
			fail_msg("case %zu", i);
	}
}

static void test_too_long(void **state)
{
	auto_free char *message = xcalloc(1, UEVENT_MESSAGE_MAX + 1);
	struct uevent u;

	(void)state;
	memcpy(message, BLOCK, sizeof(BLOCK));
	assert_true(uevent_parse(message, UEVENT_MESSAGE_MAX, &u));
	assert_false(uevent_parse(message, UEVENT_MESSAGE_MAX + 1, &u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

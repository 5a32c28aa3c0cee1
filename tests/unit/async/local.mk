# SPDX-License-Identifier: Apache-2.0
ASYNC_TESTS = \
	tests/unit/async/test_child \
	tests/unit/async/test_command \
	tests/unit/async/test_fiber \
	tests/unit/async/test_io
check_PROGRAMS += $(ASYNC_TESTS)
TESTS += $(ASYNC_TESTS)

async_test_libs = libasync.a libbase.a $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_async_test_child_SOURCES = tests/unit/async/test_child.c
tests_unit_async_test_child_LDADD = $(async_test_libs)
tests_unit_async_test_command_SOURCES = tests/unit/async/test_command.c
tests_unit_async_test_command_LDADD = $(async_test_libs)
tests_unit_async_test_fiber_SOURCES = tests/unit/async/test_fiber.c
tests_unit_async_test_fiber_LDADD = $(async_test_libs)
tests_unit_async_test_io_SOURCES = tests/unit/async/test_io.c
tests_unit_async_test_io_LDADD = $(async_test_libs)

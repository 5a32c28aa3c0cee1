# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libasync.a
libasync_a_SOURCES = \
	common/async/child.c common/async/child.h \
	common/async/command.c common/async/command.h \
	common/async/deadline.c common/async/deadline.h \
	common/async/fiber.c common/async/fiber.h \
	common/async/io.c common/async/io.h \
	common/async/loop.h \
	common/async/work.c common/async/work.h
libasync_a_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS)

# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	common/base/cleanup.h \
	common/base/err.c common/base/err.h \
	common/base/fd.c common/base/fd.h \
	common/base/little_endian.h \
	common/base/id.c common/base/id.h \
	common/base/log.c common/base/log.h \
	common/base/mem.c common/base/mem.h \
	common/base/mountinfo.c common/base/mountinfo.h \
	common/base/num.c common/base/num.h \
	common/base/path.c common/base/path.h \
	common/base/undo.c common/base/undo.h \
	common/base/userns.c common/base/userns.h \
	common/base/utf8.c common/base/utf8.h

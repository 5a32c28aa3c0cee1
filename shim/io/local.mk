# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libshimio.a
libshimio_a_SOURCES = \
	shim/io/copy.c shim/io/copy.h \
	shim/io/endpoint.c shim/io/endpoint.h \
	shim/io/logger.c shim/io/logger.h \
	shim/io/staging.c shim/io/staging.h \
	shim/io/stdio.c shim/io/stdio.h \
	shim/io/uri.c shim/io/uri.h

# SPDX-License-Identifier: Apache-2.0
# Users link libjson.a libbase.a $(YAJL_LIBS).
noinst_LIBRARIES += libjson.a
libjson_a_SOURCES = \
	common/json/get.c \
	common/json/json.h \
	common/json/memory.c common/json/memory.h \
	common/json/parse.c \
	common/json/read.c \
	common/json/tree.h \
	common/json/write.c \
	common/json/writer.c

# SPDX-License-Identifier: Apache-2.0
# Users link libverity.a libbase.a and, for the calls of mapped.h, $(DEVMAPPER_LIBS).
noinst_LIBRARIES += libverity.a
libverity_a_SOURCES = \
	common/verity/dm.h common/verity/mapped.h \
	common/verity/options.c \
	common/verity/params.c \
	common/verity/superblock.c \
	common/verity/verity.h
if VERITY_LIBRARY
libverity_a_SOURCES += common/verity/mapped.c common/verity/dm.c
else
if VERITY_IOCTL
libverity_a_SOURCES += common/verity/mapped.c common/verity/dm_ioctl.c
else
libverity_a_SOURCES += common/verity/mapped_without.c
endif
endif

# SPDX-License-Identifier: Apache-2.0
# Users link libverity.a libbase.a.
noinst_LIBRARIES += libverity.a
libverity_a_SOURCES = \
	common/verity/options.c \
	common/verity/params.c \
	common/verity/superblock.c \
	common/verity/verity.h

# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libshimstorage.a
libshimstorage_a_SOURCES = \
	shim/storage/loop.c shim/storage/loop.h \
	shim/storage/mount.c shim/storage/mount.h \
	shim/storage/mount_options.c shim/storage/mount_options.h \
	shim/storage/mount_template.c shim/storage/mount_template.h \
	shim/storage/overlay.c shim/storage/overlay.h \
	shim/storage/rootfs.c shim/storage/rootfs.h \
	shim/storage/rootfs_disk.c shim/storage/rootfs_disk.h \
	shim/storage/rootfs_plan.c shim/storage/rootfs_plan.h \
	shim/storage/share.c shim/storage/share.h \
	shim/storage/volume.c shim/storage/volume.h

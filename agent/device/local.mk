# SPDX-License-Identifier: Apache-2.0
# The guest's devices and the wait for them. Users link libdevice.a libasync.a libbase.a $(UV_LIBS).
noinst_LIBRARIES += libdevice.a
libdevice_a_SOURCES = \
	agent/device/match.c agent/device/match.h \
	agent/device/passthrough.c agent/device/passthrough.h \
	agent/device/pci_path.c agent/device/pci_path.h \
	agent/device/scsi.c agent/device/scsi.h \
	agent/device/uevent.c agent/device/uevent.h \
	agent/device/watch.c agent/device/watch.h

# SPDX-License-Identifier: Apache-2.0
# Apart from the drivers, so that huskctl can link it without the loop and QEMU.
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = hypervisor/host.c hypervisor/host.h

noinst_LIBRARIES += libhypervisor.a
libhypervisor_a_SOURCES = \
	hypervisor/clh/driver.c \
	hypervisor/confine.c hypervisor/confine.h \
	hypervisor/console.c hypervisor/console.h \
	hypervisor/device.c hypervisor/device.h \
	hypervisor/driver.h \
	hypervisor/fake/driver.c \
	hypervisor/hypervisor.c hypervisor/hypervisor.h \
	hypervisor/passt.c hypervisor/passt.h \
	hypervisor/process.c hypervisor/process.h \
	hypervisor/qemu/args.c hypervisor/qemu/args.h \
	hypervisor/qemu/device.c hypervisor/qemu/device.h \
	hypervisor/qemu/disk.c hypervisor/qemu/disk.h \
	hypervisor/qemu/grow.c hypervisor/qemu/grow.h \
	hypervisor/qemu/nic.c hypervisor/qemu/nic.h \
	hypervisor/qemu/driver.c hypervisor/qemu/qemu.h \
	hypervisor/qemu/qmp.c hypervisor/qemu/qmp.h \
	hypervisor/qemu/qmp_message.c hypervisor/qemu/qmp_message.h \
	hypervisor/qemu/slots.c hypervisor/qemu/slots.h \
	hypervisor/qemu/tsc.c hypervisor/qemu/tsc.h \
	hypervisor/qemu/vmdk.c hypervisor/qemu/vmdk.h \
	hypervisor/qemu/vsock.c hypervisor/qemu/vsock.h \
	hypervisor/record.c hypervisor/record.h \
	hypervisor/size.c hypervisor/size.h \
	hypervisor/virtiofsd.c hypervisor/virtiofsd.h
libhypervisor_a_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)

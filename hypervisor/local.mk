# SPDX-License-Identifier: Apache-2.0
# Apart from the drivers, so that huskctl can link it without the loop and QEMU.
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = hypervisor/host.c hypervisor/host.h

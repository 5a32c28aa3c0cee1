# SPDX-License-Identifier: Apache-2.0
# A virtual machine without containerd, for tests/guest/run.py.
noinst_PROGRAMS += tests/guest/husk-vm
tests_guest_husk_vm_SOURCES = tests/guest/vm.c tests/guest/vm_devices.c tests/guest/vm_devices.h
tests_guest_husk_vm_LDADD = libhypervisor.a libhost.a libconfig.a libnet.a libjson.a libasync.a \
	libbase.a $(UV_LIBS) $(YAJL_LIBS) $(SECCOMP_LIBS)

# Runs in a root file system that brings no libraries; not in builds with sanitizers, which cannot be
# linked statically.
EXTRA_PROGRAMS += tests/guest/probe
tests_guest_probe_SOURCES = tests/guest/probe.c
tests_guest_probe_LDFLAGS = -static

EXTRA_DIST += tests/guest/run.py tests/guest/guest.py tests/guest/containers.py \
	tests/guest/services.py tests/guest/compat.py tests/guest/conformance.py \
	tests/guest/endurance.py tests/guest/layers.py tests/guest/runtime_spec.py tests/guest/service.py tests/guest/cgroup_v1.py \
	tests/guest/every_call.py tests/guest/hostile.py tests/guest/devices.py tests/guest/machine.py tests/guest/hotplug.py

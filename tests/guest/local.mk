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

# One test of verified devices with each of the two ways to make them.
verity_calls_sources = tests/guest/verity_calls.c common/verity/mapped.c common/verity/mapped.h common/verity/dm.h
if HAVE_DEVMAPPER
EXTRA_PROGRAMS += tests/guest/verity-calls-library tests/guest/verity-calls-ioctl
tests_guest_verity_calls_library_SOURCES = $(verity_calls_sources) common/verity/dm.c
tests_guest_verity_calls_library_CFLAGS = $(AM_CFLAGS)
tests_guest_verity_calls_library_LDADD = libverity.a libbase.a $(DEVMAPPER_SHARED_LIBS)
tests_guest_verity_calls_ioctl_SOURCES = $(verity_calls_sources) common/verity/dm_ioctl.c
tests_guest_verity_calls_ioctl_CFLAGS = $(AM_CFLAGS)
tests_guest_verity_calls_ioctl_LDFLAGS = -static
tests_guest_verity_calls_ioctl_LDADD = libverity.a libbase.a
endif

# The agent as it is built --without-devmapper.
EXTRA_PROGRAMS += tests/guest/agent-without-verity
tests_guest_agent_without_verity_SOURCES = agent/main.c common/verity/mapped_without.c
tests_guest_agent_without_verity_CPPFLAGS = $(husk_agent_CPPFLAGS)
tests_guest_agent_without_verity_LDADD = $(husk_agent_LDADD)
tests_guest_agent_without_verity_LDFLAGS = $(husk_agent_LDFLAGS)

EXTRA_DIST += tests/guest/run.py tests/guest/guest.py tests/guest/containers.py \
	tests/guest/services.py tests/guest/compat.py tests/guest/conformance.py \
	tests/guest/endurance.py tests/guest/layers.py tests/guest/runtime_spec.py tests/guest/service.py tests/guest/cgroup_v1.py tests/guest/apparmor.py tests/guest/selinux.py tests/guest/selinux.conf \
	tests/guest/every_call.py tests/guest/hostile.py tests/guest/devices.py tests/guest/machine.py tests/guest/hotplug.py

# SPDX-License-Identifier: Apache-2.0

# What the stage and the cgroups are made of, as far as it is pure.
STAGE_UNIT_LIBS = libstage.a libagentcgroup.a libasync.a libjson.a libprotogen.a libbase.a \
	$(STAGE_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
STAGE_UNIT_TESTS = \
	tests/unit/agent/test_cgroup \
	tests/unit/agent/test_devices
check_PROGRAMS += $(STAGE_UNIT_TESTS)
TESTS += $(STAGE_UNIT_TESTS)
tests_unit_agent_test_cgroup_SOURCES = tests/unit/agent/test_cgroup.c
tests_unit_agent_test_cgroup_LDADD = $(STAGE_UNIT_LIBS)
tests_unit_agent_test_devices_SOURCES = tests/unit/agent/test_devices.c
tests_unit_agent_test_devices_LDADD = $(STAGE_UNIT_LIBS)

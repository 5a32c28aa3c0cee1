# SPDX-License-Identifier: Apache-2.0
TESTS += tests/component/toml-test.sh
EXTRA_DIST += tests/component/toml-test.sh

# The stage, run for real. Skips itself without root.
STAGE_TEST_LIBS = libstage.a libagentcgroup.a libasync.a libjson.a libprotogen.a libbase.a \
	$(STAGE_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
STAGE_TESTS = \
	tests/component/test_stage \
	tests/component/test_stage_exec \
	tests/component/test_stage_hostile
STAGE_HARNESS = tests/component/assert.h \
	tests/component/stage_harness.c tests/component/stage_harness.h
check_PROGRAMS += $(STAGE_TESTS)
TESTS += $(STAGE_TESTS)
tests_component_test_stage_SOURCES = tests/component/test_stage.c $(STAGE_HARNESS)
tests_component_test_stage_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_exec_SOURCES = tests/component/test_stage_exec.c $(STAGE_HARNESS)
tests_component_test_stage_exec_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_hostile_SOURCES = tests/component/test_stage_hostile.c $(STAGE_HARNESS)
tests_component_test_stage_hostile_LDADD = $(STAGE_TEST_LIBS)

# The agent as a process, over a unix socket. Skips itself without root.
check_PROGRAMS += tests/component/test_agent
TESTS += tests/component/test_agent
tests_component_test_agent_SOURCES = tests/component/test_agent.c \
	tests/component/agent_harness.c tests/component/agent_harness.h
tests_component_test_agent_LDADD = librpc.a libnet.a libasync.a libproto.a libprotogen.a \
	libbase.a $(PROTOBUF_C_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)

# The guest's network calls. Skips itself without root and ip(8).
check_PROGRAMS += tests/component/test_agent_net
TESTS += tests/component/test_agent_net
tests_component_test_agent_net_SOURCES = tests/component/test_agent_net.c tests/component/assert.h
tests_component_test_agent_net_LDADD = libagentnet.a libprotogen.a libbase.a $(NL_LIBS) \
	$(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/component/test_cgroup
TESTS += tests/component/test_cgroup
tests_component_test_cgroup_SOURCES = tests/component/test_cgroup.c tests/component/assert.h
tests_component_test_cgroup_LDADD = $(STAGE_TEST_LIBS)
include tests/component/task.mk

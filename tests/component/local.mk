# SPDX-License-Identifier: Apache-2.0
TESTS += tests/component/toml-test.sh
EXTRA_DIST += tests/component/toml-test.sh

# The stage, run for real. Skips itself without root.
STAGE_TEST_LIBS = libstage.a libagentcgroup.a liboci.a libasync.a libjson.a libprotogen.a libbase.a \
	$(STAGE_LIBS) $(UV_LIBS) $(CMOCKA_LIBS)
STAGE_TESTS = \
	tests/component/test_stage \
	tests/component/test_stage_confine \
	tests/component/test_stage_exec \
	tests/component/test_stage_hostile \
	tests/component/test_stage_mounts
STAGE_HARNESS = tests/component/assert.h \
	tests/component/stage_harness.c tests/component/stage_harness.h
check_PROGRAMS += $(STAGE_TESTS)
TESTS += $(STAGE_TESTS)
STAGE_CASE = $(STAGE_HARNESS) tests/component/stage_case.c tests/component/stage_case.h
tests_component_test_stage_SOURCES = tests/component/test_stage.c $(STAGE_CASE)
tests_component_test_stage_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_confine_SOURCES = tests/component/test_stage_confine.c $(STAGE_CASE)
tests_component_test_stage_confine_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_mounts_SOURCES = tests/component/test_stage_mounts.c $(STAGE_CASE)
tests_component_test_stage_mounts_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_exec_SOURCES = tests/component/test_stage_exec.c $(STAGE_HARNESS)
tests_component_test_stage_exec_LDADD = $(STAGE_TEST_LIBS)
tests_component_test_stage_hostile_SOURCES = tests/component/test_stage_hostile.c $(STAGE_HARNESS)
tests_component_test_stage_hostile_LDADD = $(STAGE_TEST_LIBS)

# The agent as a process, over a unix socket. Skips itself without root.
AGENT_PROCESS_TESTS = \
	tests/component/test_agent \
	tests/component/test_agent_faults \
	tests/component/test_agent_forward \
	tests/component/test_agent_streams
check_PROGRAMS += $(AGENT_PROCESS_TESTS)
TESTS += $(AGENT_PROCESS_TESTS)
agent_harness = tests/component/agent_harness.c tests/component/agent_harness.h
agent_harness_libs = librpc.a libnet.a libasync.a libproto.a libprotogen.a libbase.a $(PROTOBUF_C_LIBS) \
	$(UV_LIBS) $(CMOCKA_LIBS)
tests_component_test_agent_SOURCES = tests/component/test_agent.c $(agent_harness)
tests_component_test_agent_LDADD = $(agent_harness_libs)
tests_component_test_agent_faults_SOURCES = tests/component/test_agent_faults.c tests/component/faults.h $(agent_harness)
tests_component_test_agent_faults_LDADD = $(agent_harness_libs)
EXTRA_tests_component_test_agent_faults_DEPENDENCIES = tests/component/husk-agent-faulty$(EXEEXT)
tests_component_test_agent_forward_SOURCES = tests/component/test_agent_forward.c $(agent_harness)
tests_component_test_agent_forward_LDADD = $(agent_harness_libs)
tests_component_test_agent_streams_SOURCES = tests/component/test_agent_streams.c $(agent_harness)
tests_component_test_agent_streams_LDADD = $(agent_harness_libs)

check_PROGRAMS += tests/component/test_agent_pidns
TESTS += tests/component/test_agent_pidns
tests_component_test_agent_pidns_SOURCES = tests/component/test_agent_pidns.c \
	tests/component/agent_harness.c tests/component/agent_harness.h
tests_component_test_agent_pidns_LDADD = $(tests_component_test_agent_LDADD)

# The agent with system calls that fail when they are told to.
check_PROGRAMS += tests/component/husk-agent-faulty
tests_component_husk_agent_faulty_SOURCES = agent/main.c tests/component/faults.c tests/component/faults.h
tests_component_husk_agent_faulty_CPPFLAGS = $(husk_agent_CPPFLAGS)
tests_component_husk_agent_faulty_LDADD = $(husk_agent_LDADD)
if STATIC_AGENT
tests_component_husk_agent_faulty_LDFLAGS = $(husk_agent_LDFLAGS) $(FAULTY_CALLS:%=-Wl,--wrap=%)
else
tests_component_husk_agent_faulty_LDFLAGS = $(AM_LDFLAGS) $(FAULTY_CALLS:%=-Wl,--wrap=%)
endif
FAULTY_CALLS = open openat fcntl syscall write mkdir mkdirat mknod mknodat symlink symlinkat chmod fchmod \
	fchmodat chown fchown fchownat renameat mount open_tree mount_setattr pipe2 socket socketpair \
	memfd_create inotify_init1 inotify_add_watch unshare sethostname swapon dup2 chdir fork

# The guest's network calls. Skips itself without root and ip(8).
check_PROGRAMS += tests/component/test_agent_net
TESTS += tests/component/test_agent_net
tests_component_test_agent_net_SOURCES = tests/component/test_agent_net.c tests/component/assert.h
tests_component_test_agent_net_LDADD = libagentnet.a libnetlink.a libprotogen.a libbase.a $(NL_LIBS) \
	$(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/component/test_cgroup
TESTS += tests/component/test_cgroup
tests_component_test_cgroup_SOURCES = tests/component/test_cgroup.c tests/component/assert.h
tests_component_test_cgroup_LDADD = $(STAGE_TEST_LIBS)
include tests/component/task.mk

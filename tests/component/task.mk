# SPDX-License-Identifier: Apache-2.0
# The task service with a fake guest behind it: no root, no VM.
TASK_TESTS = \
	tests/component/test_task \
	tests/component/test_task_faults
check_PROGRAMS += $(TASK_TESTS)
TESTS += $(TASK_TESTS)

task_fake = tests/component/fake_guest.c tests/component/fake_guest.h
task_harness = tests/component/task_harness.c tests/component/task_harness.h $(task_fake)
task_fake_libs = libshimtask.a libhypervisor.a libconfig.a liboci.a libnet.a librpc.a \
	libasync.a libjson.a libproto.a libprotogen.a libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS) \
	$(UV_LIBS)
tests_component_test_task_SOURCES = tests/component/test_task.c $(task_harness)
tests_component_test_task_LDADD = $(task_fake_libs) $(CMOCKA_LIBS)
tests_component_test_task_faults_SOURCES = tests/component/test_task_faults.c $(task_harness)
tests_component_test_task_faults_LDADD = $(task_fake_libs) $(CMOCKA_LIBS)

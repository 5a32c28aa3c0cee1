# SPDX-License-Identifier: Apache-2.0
# The task service with a fake guest behind it: no root, no VM.
TASK_TESTS = \
	tests/component/test_task \
	tests/component/test_task_faults \
	tests/component/test_task_pod \
	tests/component/test_task_races \
	tests/component/test_sandbox_api
check_PROGRAMS += $(TASK_TESTS)
TESTS += $(TASK_TESTS)

task_harness = tests/component/task_harness.c tests/component/task_harness.h \
	tests/component/fake_guest.c tests/component/fake_guest.h
tests_component_test_task_SOURCES = tests/component/test_task.c $(task_harness)
tests_component_test_task_LDADD = $(SHIM_TASK_LIBS) $(CMOCKA_LIBS)
tests_component_test_task_faults_SOURCES = tests/component/test_task_faults.c $(task_harness)
tests_component_test_task_faults_LDADD = $(SHIM_TASK_LIBS) $(CMOCKA_LIBS)
tests_component_test_task_pod_SOURCES = tests/component/test_task_pod.c $(task_harness)
tests_component_test_task_pod_LDADD = $(SHIM_TASK_LIBS) $(CMOCKA_LIBS)
tests_component_test_task_races_SOURCES = tests/component/test_task_races.c $(task_harness)
tests_component_test_task_races_LDADD = $(SHIM_TASK_LIBS) $(CMOCKA_LIBS)
tests_component_test_sandbox_api_SOURCES = tests/component/test_sandbox_api.c $(task_harness)
tests_component_test_sandbox_api_LDADD = $(SHIM_TASK_LIBS) $(CMOCKA_LIBS)

# SPDX-License-Identifier: Apache-2.0
SHIM_TESTS = \
	tests/unit/shim/test_args \
	tests/unit/shim/test_bootstrap \
	tests/unit/shim/test_bundle \
	tests/unit/shim/test_metrics \
	tests/unit/shim/test_pod_spec
check_PROGRAMS += $(SHIM_TESTS)
TESTS += $(SHIM_TESTS)

shim_test_libs = libshim.a $(SHIM_TASK_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_shim_test_args_SOURCES = tests/unit/shim/test_args.c
tests_unit_shim_test_args_LDADD = $(shim_test_libs)
tests_unit_shim_test_bootstrap_SOURCES = tests/unit/shim/test_bootstrap.c
tests_unit_shim_test_bootstrap_LDADD = $(shim_test_libs)
tests_unit_shim_test_bundle_SOURCES = tests/unit/shim/test_bundle.c
tests_unit_shim_test_bundle_LDADD = $(shim_test_libs)
tests_unit_shim_test_metrics_SOURCES = tests/unit/shim/test_metrics.c
tests_unit_shim_test_metrics_LDADD = $(shim_test_libs)
tests_unit_shim_test_pod_spec_SOURCES = tests/unit/shim/test_pod_spec.c
tests_unit_shim_test_pod_spec_LDADD = $(shim_test_libs)

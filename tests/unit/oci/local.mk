# SPDX-License-Identifier: Apache-2.0
oci_test_libs = liboci.a libjson.a libprotogen.a libbase.a \
	$(YAJL_LIBS) $(PROTOBUF_C_LIBS) $(CMOCKA_LIBS)
oci_test_cppflags = $(AM_CPPFLAGS) -DTEST_DATA='"$(abs_top_srcdir)/tests/unit/oci/data"'

OCI_TESTS = \
	tests/unit/oci/test_cgroups_path \
	tests/unit/oci/test_message_text \
	tests/unit/oci/test_spec \
	tests/unit/oci/test_to_agent
check_PROGRAMS += $(OCI_TESTS)
TESTS += $(OCI_TESTS)
tests_unit_oci_test_cgroups_path_SOURCES = tests/unit/oci/test_cgroups_path.c
tests_unit_oci_test_cgroups_path_LDADD = $(oci_test_libs)
tests_unit_oci_test_message_text_SOURCES = tests/unit/oci/test_message_text.c
tests_unit_oci_test_message_text_CPPFLAGS = $(oci_test_cppflags)
tests_unit_oci_test_message_text_LDADD = $(oci_test_libs)
tests_unit_oci_test_spec_SOURCES = tests/unit/oci/test_spec.c
tests_unit_oci_test_spec_CPPFLAGS = $(oci_test_cppflags)
tests_unit_oci_test_spec_LDADD = $(oci_test_libs)
tests_unit_oci_test_to_agent_SOURCES = tests/unit/oci/test_to_agent.c
tests_unit_oci_test_to_agent_CPPFLAGS = $(oci_test_cppflags)
tests_unit_oci_test_to_agent_LDADD = $(oci_test_libs)
EXTRA_DIST += \
	tests/unit/oci/data/everything.json \
	tests/unit/oci/data/everything.txt \
	tests/unit/oci/data/runc-spec.json \
	tests/unit/oci/data/runc-spec.txt

# SPDX-License-Identifier: Apache-2.0
# Users link liboci.a libjson.a libprotogen.a libbase.a $(YAJL_LIBS) $(PROTOBUF_C_LIBS); those that run
# hooks (hooks.c) libasync.a too.
noinst_LIBRARIES += liboci.a
liboci_a_SOURCES = \
	common/oci/cgroups_path.c common/oci/cgroups_path.h \
	common/oci/check.c \
	common/oci/fields.h \
	common/oci/hook_state.c \
	common/oci/hooks.c common/oci/hooks.h \
	common/oci/linux_fields.c \
	common/oci/message.c common/oci/message.h \
	common/oci/message_text.c common/oci/message_text.h \
	common/oci/pod.c common/oci/pod.h \
	common/oci/resources_fields.c \
	common/oci/spec.c common/oci/spec.h \
	common/oci/spec_fields.c \
	common/oci/to_agent.c common/oci/to_agent.h \
	common/oci/to_agent_resources.c

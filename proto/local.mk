# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	proto/any.c proto/any.h \
	proto/envelope.c proto/envelope.h \
	proto/frame.c proto/frame.h \
	proto/wire.c proto/wire.h

# Generated code is its own library, compiled without our warnings. A new .proto is one line here.
PROTOGEN_C = \
	proto/gen/agent.pb-c.c \
	proto/gen/agent_types.pb-c.c \
	proto/gen/bootstrap.pb-c.c \
	proto/gen/cgroups_v1.pb-c.c \
	proto/gen/cgroups_v2.pb-c.c \
	proto/gen/containerd_types.pb-c.c \
	proto/gen/cri.pb-c.c \
	proto/gen/csi.pb-c.c \
	proto/gen/event_forward.pb-c.c \
	proto/gen/events.pb-c.c \
	proto/gen/google/protobuf/any.pb-c.c \
	proto/gen/google/protobuf/empty.pb-c.c \
	proto/gen/google/protobuf/timestamp.pb-c.c \
	proto/gen/health.pb-c.c \
	proto/gen/husk.pb-c.c \
	proto/gen/oci.pb-c.c \
	proto/gen/runc_options.pb-c.c \
	proto/gen/runtime_options.pb-c.c \
	proto/gen/sandbox.pb-c.c \
	proto/gen/stage.pb-c.c \
	proto/gen/status.pb-c.c \
	proto/gen/task.pb-c.c \
	proto/gen/task_types.pb-c.c \
	proto/gen/ttrpc.pb-c.c
PROTOGEN_H = $(PROTOGEN_C:.c=.h)

noinst_LIBRARIES += libprotogen.a
nodist_libprotogen_a_SOURCES = $(PROTOGEN_C) $(PROTOGEN_H)
libprotogen_a_CFLAGS = -std=gnu11 -w $(HARDEN_CFLAGS) $(SAN_FLAGS)
BUILT_SOURCES += $(PROTOGEN_H)
CLEANFILES += $(PROTOGEN_C) $(PROTOGEN_H)
EXTRA_DIST += $(PROTOGEN_C:proto/gen/%.pb-c.c=proto/%.proto)

# One run of protoc-c makes both files. The INIT macros of the headers cast const away, which
# -Wcast-qual reports in whoever uses them; by way of an integer nothing is cast away.
proto/gen/%.pb-c.c proto/gen/%.pb-c.h: $(srcdir)/proto/%.proto $(srcdir)/proto/local.mk
	$(AM_V_GEN)$(MKDIR_P) proto/gen && \
	$(PROTOC_C) -I$(srcdir)/proto --c_out=proto/gen $< && \
	sed -i 's/(char \*)protobuf_c_empty_string/(char *)(uintptr_t)protobuf_c_empty_string/' \
		proto/gen/$*.pb-c.h

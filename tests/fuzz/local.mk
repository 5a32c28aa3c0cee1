# SPDX-License-Identifier: Apache-2.0
# Fuzz targets. As ordinary programs they run over their corpus in `make check`; configured with
# --enable-fuzzers (clang) they are linked with libFuzzer and only built:
#   tests/fuzz/fuzz_frame -max_total_time=60 ../tests/fuzz/corpus/frame
# A new one, fuzz_<name>, is a row in FUZZ_TARGETS, its three lines below, and tests/fuzz/corpus/<name>/.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_agent_request \
	tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_hvsock \
	tests/fuzz/fuzz_mount_options \
	tests/fuzz/fuzz_oci_spec \
	tests/fuzz/fuzz_qmp \
	tests/fuzz/fuzz_task_request \
	tests/fuzz/fuzz_toml \
	tests/fuzz/fuzz_ttrpc_request \
	tests/fuzz/fuzz_uevent \
	tests/fuzz/fuzz_verity_options \
	tests/fuzz/fuzz_verity_superblock

if FUZZERS
noinst_PROGRAMS += $(FUZZ_TARGETS)
fuzz_main =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
fuzz_main = tests/fuzz/run_corpus.c
fuzz_ldflags = $(AM_LDFLAGS)
endif
EXTRA_DIST += tests/fuzz/run_corpus.c tests/fuzz/corpus

tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(fuzz_main)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = libproto.a libbase.a

tests_fuzz_fuzz_hvsock_SOURCES = tests/fuzz/fuzz_hvsock.c $(fuzz_main)
tests_fuzz_fuzz_hvsock_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_hvsock_LDADD = libnet.a libasync.a libbase.a $(UV_LIBS)

tests_fuzz_fuzz_oci_spec_SOURCES = tests/fuzz/fuzz_oci_spec.c $(fuzz_main)
tests_fuzz_fuzz_oci_spec_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_oci_spec_LDADD = liboci.a libjson.a libprotogen.a libbase.a \
	$(YAJL_LIBS) $(PROTOBUF_C_LIBS)

tests_fuzz_fuzz_qmp_SOURCES = tests/fuzz/fuzz_qmp.c $(fuzz_main)
tests_fuzz_fuzz_qmp_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_qmp_LDADD = libhypervisor.a libjson.a libbase.a $(YAJL_LIBS)

tests_fuzz_fuzz_toml_SOURCES = tests/fuzz/fuzz_toml.c $(fuzz_main)
tests_fuzz_fuzz_toml_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_toml_LDADD = libconfig.a libbase.a

tests_fuzz_fuzz_ttrpc_request_SOURCES = tests/fuzz/fuzz_ttrpc_request.c $(fuzz_main)
tests_fuzz_fuzz_ttrpc_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ttrpc_request_LDADD = librpc.a libproto.a libprotogen.a libasync.a libbase.a \
	$(PROTOBUF_C_LIBS) $(UV_LIBS)

tests_fuzz_fuzz_task_request_SOURCES = tests/fuzz/fuzz_task_request.c \
	tests/component/fake_guest.c tests/component/fake_guest.h $(fuzz_main)
tests_fuzz_fuzz_task_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_task_request_LDADD = $(SHIM_TASK_LIBS)

tests_fuzz_fuzz_verity_options_SOURCES = tests/fuzz/fuzz_verity_options.c $(fuzz_main)
tests_fuzz_fuzz_verity_options_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_verity_options_LDADD = libverity.a libbase.a

tests_fuzz_fuzz_verity_superblock_SOURCES = tests/fuzz/fuzz_verity_superblock.c $(fuzz_main)
tests_fuzz_fuzz_verity_superblock_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_verity_superblock_LDADD = libverity.a libbase.a

tests_fuzz_fuzz_uevent_SOURCES = tests/fuzz/fuzz_uevent.c $(fuzz_main)
tests_fuzz_fuzz_uevent_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_uevent_LDADD = libdevice.a libbase.a

tests_fuzz_fuzz_agent_request_SOURCES = tests/fuzz/fuzz_agent_request.c $(fuzz_main)
tests_fuzz_fuzz_agent_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_agent_request_LDADD = libmessagejson.a $(AGENT_ARCHIVES) $(STAGE_LIBS) $(NL_LIBS) $(UV_LIBS) \
	$(DEVMAPPER_LIBS)

tests_fuzz_fuzz_mount_options_SOURCES = tests/fuzz/fuzz_mount_options.c $(fuzz_main)
tests_fuzz_fuzz_mount_options_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_mount_options_LDADD = libagent.a libbase.a

# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += bench/rpc_bench
bench_rpc_bench_SOURCES = bench/rpc_bench.c
bench_rpc_bench_LDADD = librpc.a libproto.a libprotogen.a libasync.a libbase.a \
	$(PROTOBUF_C_LIBS) $(UV_LIBS)

noinst_PROGRAMS += bench/shim_bench
bench_shim_bench_SOURCES = bench/shim_bench.c
bench_shim_bench_LDADD = librpc.a libnet.a libproto.a libprotogen.a libasync.a libbase.a \
	$(PROTOBUF_C_LIBS) $(UV_LIBS)

# Runs in a container, which brings none of our libraries; not in builds with sanitizers, which cannot
# be linked statically.
EXTRA_PROGRAMS += bench/guest_pump bench/guest_reader bench/tcp_peer
bench_guest_pump_SOURCES = bench/guest_pump.c
bench_guest_pump_LDFLAGS = -static
bench_guest_reader_SOURCES = bench/guest_reader.c
bench_guest_reader_LDFLAGS = -static
bench_tcp_peer_SOURCES = bench/tcp_peer.c
bench_tcp_peer_LDFLAGS = -static

EXTRA_DIST += bench/run bench/bench.py bench/bare_vm.py bench/calls.py bench/cold_start.py bench/cpu_time.py bench/disks.py \
	bench/figures.py bench/memory.py bench/pod_memory.py bench/pod_start.py bench/pod_tcp.py bench/container_stdout.py bench/verified_layers.py

.PHONY: bench
bench: $(noinst_PROGRAMS) bench/guest_pump$(EXEEXT) bench/guest_reader$(EXEEXT) bench/tcp_peer$(EXEEXT)
	BENCH_BUILD=$(abs_top_builddir) BENCH_PREFIX=$(prefix) $(srcdir)/bench/run $(BENCH_OPTIONS)

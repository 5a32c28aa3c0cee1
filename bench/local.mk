# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += bench/rpc_bench
bench_rpc_bench_SOURCES = bench/rpc_bench.c
bench_rpc_bench_LDADD = librpc.a libproto.a libprotogen.a libasync.a libbase.a \
	$(PROTOBUF_C_LIBS) $(UV_LIBS)

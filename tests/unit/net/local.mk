# SPDX-License-Identifier: Apache-2.0
NET_TESTS = \
	tests/unit/net/test_address \
	tests/unit/net/test_serial \
	tests/unit/net/test_transport
check_PROGRAMS += $(NET_TESTS)
TESTS += $(NET_TESTS)

net_test_libs = libnet.a libasync.a libbase.a $(UV_LIBS) $(CMOCKA_LIBS)
tests_unit_net_test_address_SOURCES = tests/unit/net/test_address.c
tests_unit_net_test_address_LDADD = libnetlink.a libbase.a $(CMOCKA_LIBS)
tests_unit_net_test_serial_SOURCES = tests/unit/net/test_serial.c
tests_unit_net_test_serial_LDADD = $(net_test_libs)
tests_unit_net_test_transport_SOURCES = tests/unit/net/test_transport.c
tests_unit_net_test_transport_LDADD = $(net_test_libs)

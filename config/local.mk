# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	config/config.h \
	config/describe.c \
	config/load.c config/load.h \
	config/table.c config/table.h \
	config/toml.c config/toml.h \
	config/toml_number.c \
	config/toml_scan.c config/toml_scan.h \
	config/value.c config/value.h

# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/config/toml_decoder
tests_unit_config_toml_decoder_SOURCES = tests/unit/config/toml_decoder.c
tests_unit_config_toml_decoder_LDADD = libconfig.a libbase.a

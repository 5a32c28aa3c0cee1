# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	config/annotations.c config/annotations.h \
	config/config.h \
	config/describe.c \
	config/direct_volume.c config/direct_volume.h \
	config/load.c config/load.h \
	config/sizing.c config/sizing.h \
	config/table.c config/table.h \
	config/toml.c config/toml.h \
	config/toml_number.c \
	config/toml_scan.c config/toml_scan.h \
	config/value.c config/value.h

# The defaults as a file to copy from. It sets nothing: every key in it is a comment.
huskdatadir = $(datadir)/husk
nodist_huskdata_DATA = config/configuration.toml
CLEANFILES += config/configuration.toml
EXTRA_DIST += config/configuration.toml.in
config/configuration.toml: $(srcdir)/config/configuration.toml.in
	$(AM_V_GEN)$(MKDIR_P) config && \
	sed 's|@pkgdatadir@|$(datadir)/husk|' $(srcdir)/config/configuration.toml.in >$@.new && \
	mv $@.new $@

# SPDX-License-Identifier: Apache-2.0
# `make guest` makes the guest image below guest/image in the build tree; `make install` installs it
# when it is there.
EXTRA_DIST += guest/build-image guest/modules

GUEST_IMAGE_DIR = guest/image
GUEST_CACHE     = $(abs_top_builddir)/guest/cache

.PHONY: guest install-guest
guest: husk-agent$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) guest && strip -o guest/husk-agent husk-agent$(EXEEXT) && \
	$(srcdir)/guest/build-image --agent guest/husk-agent --output $(GUEST_IMAGE_DIR) \
		--cache "$(GUEST_CACHE)"

install-data-local: install-guest
install-guest:
	@if test -e $(GUEST_IMAGE_DIR)/default; then \
		$(MKDIR_P) "$(DESTDIR)$(datadir)/husk/guest" && \
		cp -a $(GUEST_IMAGE_DIR)/. "$(DESTDIR)$(datadir)/husk/guest/"; \
	fi

uninstall-local:
	rm -rf "$(DESTDIR)$(datadir)/husk/guest"

clean-local:
	rm -rf $(GUEST_IMAGE_DIR) guest/husk-agent

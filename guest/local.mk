# SPDX-License-Identifier: Apache-2.0
# `make guest` makes the guest image below guest/image in the build tree; `make install` installs it
# when it is there. GUEST_SHELL=/bin/busybox puts a static shell into it, for the debug console.
EXTRA_DIST += guest/build-image guest/modules

GUEST_IMAGE_DIR = guest/image
GUEST_CACHE     = $(abs_top_builddir)/guest/cache

.PHONY: guest install-guest
guest: husk-agent$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) guest && strip -o guest/husk-agent husk-agent$(EXEEXT) && \
	$(srcdir)/guest/build-image --agent guest/husk-agent --output $(GUEST_IMAGE_DIR) \
		--cache "$(GUEST_CACHE)" $(if $(GUEST_SHELL),--shell "$(GUEST_SHELL)")

install-data-local: install-guest
install-guest:
	@if test -e $(GUEST_IMAGE_DIR)/default; then \
		name=$$(readlink $(GUEST_IMAGE_DIR)/default) && to="$(DESTDIR)$(datadir)/husk/guest" && \
		$(MKDIR_P) "$$to" && \
		{ test -e "$$to/$$name" || { cp -a $(GUEST_IMAGE_DIR)/$$name "$$to/.$$name.new" && \
			mv "$$to/.$$name.new" "$$to/$$name"; }; } && \
		ln -sfn "$$name" "$$to/.default.new" && mv -T "$$to/.default.new" "$$to/default"; \
	fi

uninstall-local:
	rm -rf "$(DESTDIR)$(datadir)/husk/guest"

clean-local:
	rm -rf $(GUEST_IMAGE_DIR) guest/husk-agent

# SPDX-License-Identifier: Apache-2.0
STYLE_TESTS = \
	tests/style/conformance.sh \
	tests/style/forbidden.sh \
	tests/style/format.sh \
	tests/style/headers.sh \
	tests/style/layers.sh \
	tests/style/manuals.sh \
	tests/style/protocol.sh \
	tests/style/text.sh
TESTS += $(STYLE_TESTS)
EXTRA_DIST += $(STYLE_TESTS) tests/style/files.sh

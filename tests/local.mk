# SPDX-License-Identifier: Apache-2.0
# Each directory's local.mk adds its programs to check_PROGRAMS and TESTS.
if HAVE_CMOCKA
include tests/unit/local.mk
include tests/component/local.mk
endif
include tests/fuzz/local.mk
include tests/style/local.mk
include tests/agentctl/local.mk
include tests/guest/local.mk
include tests/e2e/local.mk
include tests/fault/local.mk
include tests/nested/local.mk

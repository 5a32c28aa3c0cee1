# SPDX-License-Identifier: Apache-2.0
include tests/unit/shim/sandbox.mk
include tests/unit/shim/shim.mk

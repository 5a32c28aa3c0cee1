# SPDX-License-Identifier: Apache-2.0
# The shim. Everything but main() is in libshim.a, so that tests can link it.
include shim/agent/local.mk
include shim/io/local.mk
include shim/storage/local.mk
include shim/sandbox/local.mk

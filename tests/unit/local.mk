# SPDX-License-Identifier: Apache-2.0
# tests/unit mirrors the tree: one directory for each of the project's, one program for each source
# file that has logic.
include tests/unit/base/local.mk
include tests/unit/async/local.mk
include tests/unit/proto/local.mk
include tests/unit/net/local.mk
include tests/unit/rpc/local.mk
include tests/unit/json/local.mk
include tests/unit/oci/local.mk
include tests/unit/config/local.mk
include tests/unit/ctl/local.mk
include tests/unit/hypervisor/local.mk
include tests/unit/shim/local.mk
include tests/unit/agent/local.mk
include tests/unit/agentctl/local.mk
include tests/unit/verity/local.mk

# SPDX-License-Identifier: Apache-2.0
include common/base/local.mk
include common/async/local.mk
include common/net/local.mk
include common/rpc/local.mk
include common/json/local.mk
include common/oci/local.mk
include common/verity/local.mk

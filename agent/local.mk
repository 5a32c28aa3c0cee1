# SPDX-License-Identifier: Apache-2.0
include agent/cgroup/local.mk
include agent/process/stage.mk

# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += agent/cgroup/cgroup.h

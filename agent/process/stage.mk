# SPDX-License-Identifier: Apache-2.0
# `husk-agent stage`: everything that happens between clone and exec of a container's process.
EXTRA_DIST += agent/process/stage.h

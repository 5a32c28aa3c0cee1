# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += \
	docs/man/containerd-shim-husk-v2.8 \
	docs/man/husk-agent.8 \
	docs/man/husk-configuration.toml.5 \
	docs/man/huskctl.1
EXTRA_DIST += docs/agent-protocol.md docs/architecture.md docs/conformance.md docs/debugging.md docs/kubernetes.md docs/rootless.md docs/specification.md docs/testing.md docs/threat-model.md

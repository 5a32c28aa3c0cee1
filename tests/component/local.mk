# SPDX-License-Identifier: Apache-2.0
TESTS += tests/component/toml-test.sh
EXTRA_DIST += tests/component/toml-test.sh

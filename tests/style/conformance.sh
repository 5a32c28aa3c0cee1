#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The list of critest's differences in docs/conformance.md is the one that the tests go by.
. "${srcdir:-.}/tests/style/files.sh"

listed=$(grep -v '^#' tests/critest/differences | sort)
documented=$(sed -n 's/^| \(.* | .*\) |$/\1/p' docs/conformance.md | grep -v '^spec | why$' | sort)
[ "$listed" = "$documented" ] ||
	complain "docs/conformance.md and tests/critest/differences are two lists"
exit $bad

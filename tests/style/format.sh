#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format leaves every source as it is. Its output differs between versions, so only the one
# that the sources are formatted with is asked. Exit code 77: skipped.
. "${srcdir:-.}/tests/style/files.sh"

version=14
tool=''
for candidate in clang-format-$version clang-format; do
	case $($candidate --version 2>/dev/null) in
	*" version $version."*) tool=$candidate && break ;;
	esac
done
if [ -z "$tool" ]; then
	echo "skipped: no clang-format $version"
	exit 77
fi
code_files '*.c' '*.h' | xargs "$tool" --dry-run -Werror

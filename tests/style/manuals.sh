#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages are sound mdoc, and every program that is installed has one. References to each
# other are checked here, because mandoc looks for them among the installed pages. Exit code 77:
# skipped.
. "${srcdir:-.}/tests/style/files.sh"

command -v mandoc >/dev/null 2>&1 || { echo "skipped: no mandoc"; exit 77; }

for page in docs/man/*.[158]; do
	said=$(mandoc -Tlint "$page" | grep -v 'referenced manual not found')
	[ -z "$said" ] || complain "$said"
	grep -qF "docs/man/${page##*/}" docs/local.mk || complain "$page: not in docs/local.mk"

	sed -nE 's/^\.Xr ([^ ]+) ([0-9]).*/\1.\2/p' "$page" | sort -u | while read -r other; do
		case $other in
		*husk*) [ -f "docs/man/$other" ] || echo "$page: there is no $other" ;;
		esac
	done | grep . && bad=1
done

for program in $(sed -nE 's/^(bin|pkglibexec)_PROGRAMS \+= (.*)/\2/p' ./*/local.mk); do
	[ -n "$(find docs/man -name "${program##*/}.[158]")" ] ||
		complain "${program##*/}: has no manual page"
done
exit $bad

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every file says its licence in its first two lines; no blanks at the end of a line, no carriage
# returns, a newline at the end of the file.
. "${srcdir:-.}/tests/style/files.sh"

licensed() {
	code_files '*.c' '*.h' '*.proto' '*.mk' '*.sh' '*.py' '*.m4' '*.[158]' '*.in'
	# Programs without a suffix: whatever begins with #!.
	code_files '*' | while read -r file; do
		case $(head -c 2 "$file" | tr -d '\0') in
		'#!') echo "$file" ;;
		esac
	done
	for file in Makefile.am configure.ac autogen.sh m4/*.m4 quickstart run-tests .ci/run; do
		[ -f "$file" ] && echo "$file"
	done
}

for file in $(licensed | sort -u); do
	head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
		complain "$file: no SPDX tag in its first two lines"
done

texts=$(licensed; code_files '*.md' '*.toml' '*.yaml' '*.json' '*.txt'; ls -- *.md 2>/dev/null)
carriage_return=$(printf '\r')
for file in $(printf '%s\n' "$texts" | sort -u); do
	hits=$(grep -nE "[[:blank:]]+\$|$carriage_return" "$file" | cut -c 1-80)
	[ -z "$hits" ] || complain "$file: blanks at the end of a line: $hits"
	[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file" | tr -d '\n')" ] ||
		complain "$file: no newline at its end"
done
exit $bad

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone: it includes what it uses, so the order of includes never matters.
build=$(pwd)
. "${srcdir:-.}/tests/style/files.sh"

headers=''
for header in $(code_files '*.h'); do
	headers="$headers $header"
done
[ -n "$headers" ] || { echo "no headers found"; exit 1; }

# One call for all of them: each is still compiled on its own. Warnings are the build's business.
# The dialect predefines linux as 1; the build takes that back, too.
# shellcheck disable=SC2086
${CC:-cc} -std=gnu11 -Ulinux -w -fsyntax-only -D_GNU_SOURCE \
	-I. -I"$build" -I"$build/proto/gen" $(pkg-config --cflags libnl-3.0) -DHUSK_VERSION='""' -DHUSK_DATADIR='""' \
	-DHUSK_LIBEXECDIR='""' -DHUSK_SYSCONFDIR='""' -x c $headers || bad=1

# The guard that a header has is its own, and it has one.
for header in $headers; do
	guard=$(sed -n 's/^#ifndef \(HUSK_[A-Z0-9_]*_H\)$/\1/p' "$header" | head -n 1)
	if [ -z "$guard" ]; then
		complain "$header: no include guard HUSK_..._H"
	else
		guards="$guards$guard $header
"
	fi
done
for guard in $(printf '%s' "$guards" | cut -d ' ' -f 1 | sort | uniq -d); do
	complain "the include guard $guard stands in more than one header:" \
		"$(printf '%s' "$guards" | sed -n "s/^$guard //p" | tr '\n' ' ')"
done
exit $bad

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The public toml-test cases through config/toml.c. The suite is a Go module, pinned below; its
# binary is kept in the cache. Exit code 77 (skipped, to automake) where Go or the module is missing.
set -eu

version=v1.6.0
# The module asks for an unreleased commit of this one; the release before it does as well, and only
# decodes the expected results.
toml_version=v1.5.0

decoder=$(pwd)/tests/unit/config/toml_decoder
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/husk/toml-test-$version
tool=$cache/toml-test

skip() { echo "skipped: $*"; exit 77; }

[ -x "$decoder" ] || { echo "$decoder is not built"; exit 1; }

if [ ! -x "$tool" ]; then
	command -v go >/dev/null 2>&1 || skip "no Go, which the toml-test suite is built with"
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cat >"$work/go.mod" <<-END
		module husk/toml-test
		go 1.19
		require github.com/toml-lang/toml-test $version
		replace github.com/BurntSushi/toml => github.com/BurntSushi/toml $toml_version
	END
	(cd "$work" && GOFLAGS=-mod=mod timeout 300 go build -o "$work/toml-test" \
		github.com/toml-lang/toml-test/cmd/toml-test) >"$work/log" 2>&1 ||
		{ cat "$work/log"; skip "cannot build toml-test $version"; }
	mv "$work/toml-test" "$tool"
fi

exec "$tool" -toml=1.0.0 -timeout=30s "$decoder"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The layers of the design hold: every #include "dir/..." points to the directory itself or to one
# below it, and a library's headers are included only where the design says.
. "${srcdir:-.}/tests/style/files.sh"

below() {
	case $1 in
	proto) echo proto ;;
	common) echo proto common ;;
	config) echo proto common config ;;
	hypervisor) echo proto common config hypervisor ;;
	shim) echo proto common config hypervisor shim ;;
	agent) echo proto common agent ;;
	ctl) echo proto common config hypervisor ctl ;;
	monitor) echo proto common config hypervisor monitor ;;
	esac
}

# FILE:LINE=WHAT for every include in a directory that the sed expression takes apart.
includes() {
	grep -rnE --include='*.[ch]' --exclude-dir=gen '^[[:space:]]*#[[:space:]]*include' "$1" |
		sed -nE "s@^([^:]*:[0-9]+):[[:space:]]*#[[:space:]]*include $2.*@\\1=\\2@p"
}

for dir in proto common config hypervisor shim agent ctl monitor; do
	[ -d "$dir" ] || continue
	for hit in $(includes "$dir" '"([^"]*)"'); do
		what=${hit##*=}
		case $what in
		*.pb-c.h) continue ;; # generated, from proto/
		esac
		case " $(below "$dir") " in
		*" ${what%%/*} "*) ;;
		*) complain "${hit%=*}: $dir/ may not include \"$what\"" ;;
		esac
	done
done

# only PATTERN PLACE...: a header that matches is included below (or in) these places alone.
only() {
	header=$1
	shift
	for dir in proto common config hypervisor shim agent ctl monitor; do
		[ -d "$dir" ] || continue
		for hit in $(includes "$dir" "<($header)>"); do
			allowed=no
			for place; do
				case $hit in
				"$place"*) allowed=yes ;;
				esac
			done
			[ $allowed = yes ] || complain "${hit%=*}: <${hit##*=}> belongs to: $*"
		done
	done
}

only 'uv\.h' common/async/
only 'yajl/[^>]*' common/json/
only 'seccomp\.h|cap-ng\.h' agent/confine/ hypervisor/confine.c
only 'libdevmapper\.h' common/verity/dm.c
only 'netlink/[^>]*' shim/net/ agent/net/ common/net/
only 'llhttp\.h|http_parser\.h' hypervisor/clh/
only 'grpc/[^>]*' monitor/ ctl/
only 'microhttpd\.h' monitor/

exit $bad

# SPDX-License-Identifier: Apache-2.0
#
# Sourced by quickstart, run-tests and the benchmarks, in the top directory of the checkout: build
# husk and its guest image below .cache/, do nothing when nothing has changed.

HUSK_CACHE=$PWD/.cache
HUSK_BUILD=$HUSK_CACHE/build
HUSK_PREFIX=$HUSK_CACHE/root
PATH=$PATH:/usr/sbin:/sbin

# Run quietly; on failure print the end of what it said and return its status.
husk_quietly() {
	local log=$HUSK_CACHE/$1.log
	shift
	"$@" >"$log" 2>&1 && return 0
	local status=$?
	grep -nE 'error:|Error |undefined reference' "$log" | head -n 20 >&2
	echo "--- the end of $log:" >&2
	tail -n 20 "$log" >&2
	return $status
}

# husk_configure DIR OPTION...: configure in DIR unless it was done with the same options.
husk_configure() {
	local dir=$1 options
	shift
	options="$PWD $*"
	if [ ! -x configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ] ||
		[ -n "$(find . -path ./.cache -prune -o -name local.mk -newer Makefile.in -print -quit)" ]; then
		husk_quietly autogen ./autogen.sh || return
	fi
	mkdir -p "$dir"
	if [ ! -f "$dir/config.status" ] || [ configure -nt "$dir/config.status" ] ||
		[ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
		(cd "$dir" && husk_quietly "configure-$(basename "$dir")" ../../configure "$@") || return
		echo "$options" >"$dir/.options"
	fi
}

husk_build() {
	mkdir -p "$HUSK_CACHE"
	husk_configure "$HUSK_BUILD" --prefix="$HUSK_PREFIX" "$@" &&
		husk_quietly make make -C "$HUSK_BUILD" -j"$(nproc)" &&
		husk_quietly install make -C "$HUSK_BUILD" install
}

# The guest image in the build tree, the kernel package kept across builds in .cache/guest.
husk_guest() {
	husk_quietly guest make -C "$HUSK_BUILD" guest GUEST_CACHE="$HUSK_CACHE/guest" &&
		husk_quietly install make -C "$HUSK_BUILD" install-guest
}

# husk_busybox_image FILE: an image with nothing but a static busybox and its links.
husk_busybox_image() {
	[ -s "$1" ] && [ "$1" -nt /bin/busybox ] && [ "$1" -nt tests/lib/oci-image ] && return
	local dir=$HUSK_CACHE/busybox applet
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,etc,proc,root,run,sys,tmp,usr/bin,var}
	chmod 1777 "$dir/tmp"
	cp /bin/busybox "$dir/bin/busybox"
	for applet in $("$dir/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$dir/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$dir/etc/group"
	tests/lib/oci-image docker.io/library/husk-busybox:latest "$1" "$dir"
}

# husk_pause_image FILE: a sandbox image for pods: waits until it is killed.
husk_pause_image() {
	[ -s "$1" ] && [ "$1" -nt /bin/busybox ] && [ "$1" -nt tests/lib/oci-image ] && return
	local dir=$HUSK_CACHE/pause
	rm -rf "$dir"
	mkdir -p "$dir"
	cp /bin/busybox "$dir/busybox"
	IMAGE_CONFIG='{"Entrypoint":["/busybox","sleep","2147483647"]}' \
		tests/lib/oci-image docker.io/library/husk-pause:latest "$1" "$dir"
}

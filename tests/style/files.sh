# SPDX-License-Identifier: Apache-2.0
# Sourced by the style tests: in the top of the sources, with the lists they share.
cd "${srcdir:-.}" || exit 1

# The directories that hold sources; what is built or cached lies elsewhere, or is left out below.
code_dirs=''
for dir in proto common config hypervisor shim agent ctl monitor guest bench deploy docs tests; do
	[ -d "$dir" ] && code_dirs="$code_dirs $dir"
done

# code_files NAME-PATTERN...: of all of them, without generated ones and without test data.
code_files() {
	for pattern; do
		# shellcheck disable=SC2086
		find $code_dirs -type f -name "$pattern" ! -path 'proto/gen/*' ! -path '*/corpus/*' \
			! -path '*/data/*' ! -path '*/__pycache__/*' ! -path '*/.deps/*' \
			! -path 'guest/image/*' ! -path 'guest/cache/*'
	done | sort
}

bad=0
complain() {
	echo "$*"
	bad=1
}

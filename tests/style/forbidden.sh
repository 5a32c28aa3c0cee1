#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls and habits that have a better way here.
. "${srcdir:-.}/tests/style/files.sh"

sources=$(code_files '*.c' '*.h')

# never WHY PATTERN: no line of a C source matches (comment lines apart).
never() {
	# shellcheck disable=SC2086
	hits=$(grep -nE "$2" $sources | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*)')
	[ -z "$hits" ] || complain "$hits
	^ $1"
}

call='(^|[^A-Za-z0-9_>.])'

never 'use snprintf() or buf_addf()' "${call}v?sprintf *\("
never 'copies without a limit' "${call}(strcpy|strcat|stpcpy|gets) *\("
never 'takes anything for a number: common/base/num.h' "${call}(atoi|atol|atoll|atof|sscanf) *\("
never 'a shell: child_spawn()' "${call}(system|popen) *\("
never 'takes the children of others' 'waitpid *\( *-1'
never 'fiber_sleep_ms()' "${call}u?sleep *\("
never 'not close-on-exec: fcntl(F_DUPFD_CLOEXEC)' "${call}dup *\("
never 'not reentrant' "${call}(strtok|localtime|gmtime|ctime|asctime|strerror_r) *\("
never 'comments are /* ... */' '(^|[;{}),])[[:space:]]*// '

# What is left undone is a matter for the issues, not for the sources.
# shellcheck disable=SC2046
hits=$(grep -nwE 'TODO|FIXME|XXX|HACK' $(code_files '*.c' '*.h' '*.sh' '*.py' '*.mk') |
	grep -v '^tests/style/forbidden.sh:' | grep -v XXXXXX)
[ -z "$hits" ] || complain "$hits
	^ finish it, or open an issue"

# The allocator that aborts with one message is common/base/mem.h; limits are checked before it.
# protobuf-c asks for one that may fail, below common/base and in the unpacking of messages.
hits=$(grep -nE "${call}(malloc|calloc|realloc|strdup|strndup|asprintf|vasprintf) *\(" $sources |
	grep -vE '^(common/base/mem\.c|common/rpc/message\.c|proto/|tests/)' | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*)')
[ -z "$hits" ] || complain "$hits
	^ use common/base/mem.h"

exit $bad

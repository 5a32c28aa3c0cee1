#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/agent-protocol.md has a row for each method of the agent's services and no other; it says "not yet"
# of those that the agent's table leaves unimplemented and of no other; the test it names is there.
. "${srcdir:-.}/tests/style/files.sh"

page=docs/agent-protocol.md

# The methods of a .proto file, with this before each.
methods() {
	sed -nE "s|^[[:space:]]*rpc ([A-Za-z0-9]+).*|$2\1|p" "$1"
}

rows=$(sed -nE 's/^\| ([A-Z][A-Za-z\/]+) \| (yes|no|not yet) \|.*\| ([a-z_]+) \|$/\1;\2;\3/p' "$page")
documented=$(echo "$rows" | cut -d';' -f1 | sort)
served=$( (methods proto/agent.proto ''; methods proto/health.proto 'Health/') | sort)

for method in $(printf '%s\n%s\n' "$documented" "$served" | sort | uniq -u); do
	complain "$page: $method is only in one of table and service (or has two rows)"
done

missing=$(sed -nE 's/^[[:space:]]*\{ "([A-Za-z]+)", on_unimplemented,.*/\1/p' agent/rpc/service.c)
for row in $(echo "$rows" | tr ' ' '_'); do
	method=${row%%;*} rest=${row#*;}
	status=${rest%%;*} test=${rest#*;}
	case $status:$(echo "$missing" | grep -cx "$method") in
	yes:1) complain "$page: $method is not implemented" ;;
	not_yet:0) complain "$page: $method is implemented: say so in its row" ;;
	esac
	grep -q "^def test_$test(" tests/guest/*.py || complain "$page: there is no test $test"
done
exit $bad

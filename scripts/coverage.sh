#!/bin/sh
# Fails where the tests of a package reach less than PERCENT of its statements without root and without namespaces: what
# builds rest on is to be tested on every machine. Usage: coverage.sh GO TAGS PERCENT PACKAGE...
set -eu

go=$1 tags=$2 least=$3
shift 3
out=$(CAROSBUILD_REQUIRE_TOOLS= TEST_WITHOUT_NAMESPACES=1 "$go" test -tags "$tags" -cover "$@") || {
	printf '%s\n' "$out"
	exit 1
}
printf '%s\n' "$out" | awk -v least="$least" -v packages=$# '
	{ print }
	match($0, /coverage: [0-9.]+%/) { n++; if (substr($0, RSTART + 10, RLENGTH - 11) + 0 < least) { bad = 1; print "want " least "%: " $2 } }
	END { if (n != packages) { print "the coverage of " packages - n + 0 " packages is not told"; bad = 1 }; exit bad }'

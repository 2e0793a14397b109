#!/bin/sh
# Runs every fuzz target below a directory, one after the other, each for a time. What found something is in its package's
# testdata/fuzz, from where every later "go test" runs it too: keep it. Usage: fuzz.sh GO TAGS TIME [REGEXP]
set -eu

go=$1 tags=$2 time=$3 only=${4:-.}

# The names of a package stand before its "ok" line. One that does not compile fails here.
list=$("$go" test -tags "$tags" -list '^Fuzz' ./...)
targets=$(printf '%s\n' "$list" | awk '/^Fuzz/ {n[++k] = $1} $1 == "ok" {for (i = 1; i <= k; i++) print $2 ":" n[i]; k = 0}' | grep -E "$only") || {
	echo "no fuzz target matches $only" >&2
	exit 1
}
failed=
for t in $targets; do # without a limit, making one input smaller may take all of the time
	echo "== ${t%:*} ${t##*:}"
	"$go" test -tags "$tags" -run '^$' -fuzz "^${t##*:}\$" -fuzztime "$time" -fuzzminimizetime 1s "${t%:*}" || failed="$failed ${t##*/}"
done
[ -z "$failed" ] || {
	echo "found something:$failed" >&2
	exit 1
}

#!/bin/sh
# Builds and vets for other systems. On Linux all of it has to build; elsewhere what needs neither the store of stages
# nor the sandbox, which is all packages but those of the list below. Usage: cross.sh GO TAGS
set -eu

go=$1 tags=$2
linux="/(cmd/carosbuild|pkg/compose|pkg/engine|pkg/engine/enginetest|pkg/history|pkg/resolve|pkg/source/files|pkg/runc|pkg/plan|pkg/layer|pkg/layer/archive|pkg/layer/sums|pkg/serve)$"
all=$("$go" list -tags "$tags" -f "{{if .GoFiles}}{{.ImportPath}}{{end}}" ./...)
portable=$(printf '%s\n' "$all" | grep -vE "$linux")
check() { # OS ARCHITECTURE PACKAGE...
	echo "$1/$2"
	export GOOS="$1" GOARCH="$2" CGO_ENABLED=0
	shift 2
	"$go" build -tags "$tags" "$@"
	"$go" vet -tags "$tags" "$@"
}
check linux arm64 $all
check darwin arm64 $portable
check windows amd64 $portable

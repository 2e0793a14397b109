#!/bin/sh
# Builds and vets for other systems. On Linux all of it has to build. Elsewhere all but the list below has to: the program,
# and what runs the steps of a build, which needs namespaces, overlay mounts and an OCI runtime. Of packages that are about
# these too, such as pkg/layer and pkg/userns, other systems have the files without _linux in their names.
# Usage: cross.sh GO TAGS
set -eu

go=$1 tags=$2
linux="/(cmd/carosbuild|pkg/engine|pkg/engine/enginetest)$"
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

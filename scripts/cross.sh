#!/bin/sh
# Builds and vets for other systems. All packages have to build on each: what only Linux has is in files named so, and a
# package of nothing else has a doc.go. Usage: cross.sh GO TAGS
set -eu

go=$1 tags=$2
for system in linux/arm64 darwin/arm64 windows/amd64; do
	echo "$system"
	export GOOS="${system%/*}" GOARCH="${system#*/}" CGO_ENABLED=0
	"$go" build -tags "$tags" ./...
	"$go" vet -tags "$tags" ./...
done

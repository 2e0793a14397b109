#!/bin/sh
# Fails on functions that the program never reaches, but for those listed here with the reason; and on a line of the list
# that is no longer true. Usage: deadcode.sh GO TAGS DEADCODE, the last as PACKAGE@VERSION.
set -eu

go=$1 tags=$2 deadcode=$3
allowed=$(sed 's/ *#.*//; /^$/d' <<'EOF' | LC_ALL=C sort
# The writers of a library: what its examples show.
pkg/disk.Write                        # one disk, one file; the program writes several disks with one call
pkg/disk.WriteAll
pkg/disk/ova.Write
pkg/disk/vmdk.WriteStream
pkg/disk/vmdk.WriteSparse
pkg/disk/vmdk.Options.pipeline
# What reads the program's outputs back in tests of several packages.
pkg/disk/bmap.Parse
pkg/disk/bmap.Map.parseRanges
pkg/disk/bmap.checkSum
# What tests of other packages go through.
pkg/binfmt.Architectures
pkg/binfmt.Program
cmd/carosbuild/internal/rendertest.CheckPrinted
cmd/carosbuild/internal/rendertest.Names
pkg/disk/kind.FileSystems
pkg/yocto.Kinds
# What the tests of the supervisor ask.
pkg/supervisor/creds.Carrier.Len
pkg/supervisor/decode.Known
EOF
)
found=$("$go" run "$deadcode" -tags "$tags" -f '{{range .Funcs}}{{$.Path}}.{{.Name}}{{"\n"}}{{end}}' ./cmd/... |
	sed 's|^github.com/carosio/carosbuild/||; /^$/d' | LC_ALL=C sort)
bad=0
for name in $found; do
	printf '%s\n' "$allowed" | grep -Fqx "$name" || { echo "nothing reaches $name: remove it, or list it in $0 with the reason"; bad=1; }
done
for name in $allowed; do
	printf '%s\n' "$found" | grep -Fqx "$name" || { echo "$0 lists $name, which is reached or gone: remove the line"; bad=1; }
done
exit $bad

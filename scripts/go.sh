#!/bin/sh
# Prints the path of a Go toolchain that can build this project, and fetches one where there is none new enough.
#
# Debian 12 has Go 1.19. Go publishes its toolchains as modules, so that any Go can fetch a newer one from the module
# mirror it is configured for; the checksum database vouches for it, and the sum below does.
set -eu

want=1.26
version=go1.26.8
case $(uname -m) in
x86_64) platform=linux-amd64 sum="h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=" ;;
aarch64) platform=linux-arm64 sum="h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc=" ;;
*) platform= sum= ;;
esac

good() { # good GO: it is at least $want
	v=$("$1" env GOVERSION 2>/dev/null) || return 1
	v=${v#go}
	[ "$(printf '%s\n%s\n' "$want" "$v" | sort -V | head -n 1)" = "$want" ]
}

for go in "${GO:-}" go /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
	path=$(command -v "$go" 2>/dev/null) || continue
	if GOTOOLCHAIN=local good "$path"; then
		echo "$path"
		exit 0
	fi
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/carosbuild-go
path=$cache/golang.org/toolchain@v0.0.1-$version.$platform/bin/go
if [ -x "$path" ] && good "$path"; then
	echo "$path"
	exit 0
fi
old=$(command -v go) || { echo "no Go toolchain is installed (Debian package golang-go)" >&2; exit 1; }
[ -n "$platform" ] || { echo "install Go $want or later" >&2; exit 1; }
echo "fetching $version for $platform through $old" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'module fetch\n\ngo 1.19\n' >"$work/go.mod"
got=$(cd "$work" && GOMODCACHE="$cache" GOFLAGS= "$old" mod download -json "golang.org/toolchain@v0.0.1-$version.$platform") || {
	echo "$got" >&2
	exit 1
}
case $got in
*"$sum"*) ;;
*) echo "the toolchain that the mirror gave has another checksum than $sum" >&2; exit 1 ;;
esac
chmod -R u+w "$cache/golang.org"
chmod +x "$cache/golang.org/toolchain@v0.0.1-$version.$platform"/bin/* \
	"$cache/golang.org/toolchain@v0.0.1-$version.$platform"/pkg/tool/*/*
good "$path"
echo "$path"

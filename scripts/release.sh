#!/bin/bash
# Makes a release: static programs and Debian packages for amd64 and arm64, and SHA256SUMS. The same commit and the same
# Go give the same bytes, whoever builds it, and whenever and wherever. Usage: release.sh GO TAGS DIRECTORY, which is emptied
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC

go=$1 tags=$2 out=$3
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty)
case $version in
*-dirty) echo "there are changes that are not committed: a release is made of a commit" >&2; exit 1 ;;
v[0-9]*-*-g*|[0-9a-f]*) echo "note: this commit has no tag; the version is $version" >&2 ;;
esac
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d)
case $version in # as Debian orders versions: what follows a tag is later than it, and all tags are later than none
v[0-9]*) deb=$(echo "${version#v}" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-/~/') ;;
*) deb=0~$day.g$version ;;
esac
maintainer="CarOS maintainers <$(git log -1 --format=%ce)>"

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # ARCHITECTURE FILE
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 "$go" build -trimpath -buildvcs=false -tags "$tags" \
		-ldflags "-s -w -buildid= -X main.version=$version" -o "$2" ./cmd/carosbuild
}

# install MODE TO <CONTENT
install_as() {
	mkdir -p "$(dirname "$root$2")"
	cat >"$root$2"
	chmod "$1" "$root$2"
}

package() { # ARCHITECTURE PROGRAM
	root=$work/$1
	install_as 755 /usr/bin/carosbuild <"$2"
	for page in "$work"/man/*.1; do
		gzip -9nc "$page" | install_as 644 "/usr/share/man/man1/$(basename "$page").gz"
	done
	"$host" completion bash | install_as 644 /usr/share/bash-completion/completions/carosbuild
	"$host" completion zsh | install_as 644 /usr/share/zsh/vendor-completions/_carosbuild
	"$host" completion fish | install_as 644 /usr/share/fish/vendor_completions.d/carosbuild.fish
	gzip -9nc CHANGELOG.md | install_as 644 /usr/share/doc/carosbuild/changelog.gz
	install_as 644 /usr/share/doc/carosbuild/README.md <README.md
	install_as 644 /usr/share/doc/carosbuild/copyright <<-EOF
		Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
		Upstream-Name: carosbuild
		Source: https://github.com/carosio/carosbuild

		Files: *
		Copyright: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y) the authors of carosbuild
		License: MPL-2.0
		 The text of the Mozilla Public License 2.0 is in
		 /usr/share/common-licenses/MPL-2.0 and at https://mozilla.org/MPL/2.0/.
	EOF
	size=$(du -sk --apparent-size "$root" | cut -f1)
	(cd "$root" && find usr -type f | sort | xargs md5sum) >"$work/md5sums"
	install_as 644 /DEBIAN/md5sums <"$work/md5sums"
	install_as 644 /DEBIAN/control <<-EOF
		Package: carosbuild
		Version: $deb
		Architecture: $1
		Maintainer: $maintainer
		Installed-Size: $size
		Depends: runc | crun, uidmap, ca-certificates, debian-archive-keyring
		Recommends: git
		Suggests: qemu-system-x86, qemu-utils, qemu-user-static
		Section: admin
		Priority: optional
		Homepage: https://github.com/carosio/carosbuild
		Description: bootable operating system images, as an ordinary user
		 carosbuild turns an XML declaration into a bootable image of an operating
		 system. Stages run in OCI sandboxes, each step becomes a layer of an OCI
		 image, and the disk is written in one pass into the file that a hypervisor
		 or a board boots. It needs neither Docker, nor a daemon, nor root.
	EOF
	find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
	# One thread: the bytes that xz gives must not depend on the number of processors.
	dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" "$out/carosbuild_${deb}_$1.deb" >/dev/null
}

for arch in amd64 arm64; do
	build "$arch" "$out/carosbuild-$version-linux-$arch"
done
# Pages and completions are the same for both; the program of this machine writes them.
host=$out/carosbuild-$version-linux-$("$go" env GOHOSTARCH)
"$host" man "$work/man" >/dev/null
for arch in amd64 arm64; do
	package "$arch" "$out/carosbuild-$version-linux-$arch"
done
cd "$out"
sha256sum carosbuild* >SHA256SUMS
ls -l

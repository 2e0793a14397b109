#!/bin/sh
# Installs the Debian packages that carosbuild needs and this host lacks, and says which. Usage: setup.sh build|test|bench
#
# As root it installs them; otherwise through sudo; where neither is possible it prints the one command for an
# administrator and exits with 4. Where nothing is missing it prints nothing.
set -eu

build="runc uidmap debian-archive-keyring ca-certificates"
# What the tests read our results with, and boot them in; gcc is for the race detector.
test="$build gcc libc6-dev git e2fsprogs dosfstools mtools gdisk fdisk qemu-utils qemu-system-x86 seabios ovmf
	qemu-user-static qemu-system-arm qemu-efi-aarch64 libxml2-utils
	grub-common grub-pc-bin u-boot-tools cryptsetup-bin squashfs-tools erofs-utils file crun podman skopeo docker-registry busybox-static bash-static cpio zstd xz-utils
	bmap-tools binutils systemd-boot-efi procps chromium curl bzip2 tmux genisoimage xorriso mmdebstrap buildah libnbd-bin passt"
# What it is measured against.
bench="$test umoci genimage"

case "${1:-}" in
build) packages=$build ;;
test) packages=$test ;;
bench) packages=$bench ;;
*) echo "usage: $0 build|test|bench" >&2; exit 2 ;;
esac

here=$(dirname "$0")
"$here/go.sh" >/dev/null 2>&1 || packages="$packages golang-go"

# The program says so too, but not before it is compiled.
data=${XDG_DATA_HOME:-$HOME/.local/share}
while [ ! -e "$data" ]; do data=$(dirname "$data"); done
if [ "$(id -u)" != 0 ] && [ "$(stat -f -c %T "$data")" = overlayfs ]; then
	echo "note: $data is on overlayfs, as in a container: stages will be kept in memory, and only while a build runs." >&2
	echo "      XDG_DATA_HOME=DIR, with a folder on a volume, keeps them." >&2
fi

missing=
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
user=$(id -un)
ranges=
if [ "$(id -u)" != 0 ] && ! { grep -q "^$user:" /etc/subuid && grep -q "^$user:" /etc/subgid; } 2>/dev/null; then
	# The first free range after those in use.
	start=$(awk -F: '{e=$2+$3} e>m {m=e} END {print m<100000 ? 100000 : m}' /etc/subuid /etc/subgid 2>/dev/null || echo 100000)
	ranges="usermod --add-subuids $start-$((start + 65535)) --add-subgids $start-$((start + 65535)) $user"
fi
if [ -z "$missing$ranges" ]; then
	"$here/go.sh" >/dev/null || exit 4
	exit 0
fi

command=
[ -z "$missing" ] || command="apt-get update && apt-get install -y --no-install-recommends$missing"
[ -z "$ranges" ] || command="${command:+$command && }$ranges"

if [ "$(id -u)" = 0 ]; then
	as=
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
	as=sudo
else
	echo "This host lacks what carosbuild needs. Ask an administrator to run:" >&2
	echo "    $command" >&2
	exit 4
fi
[ -z "$missing" ] || echo "installing Debian packages:$missing" >&2
[ -z "$ranges" ] || echo "giving $user subordinate ids: $ranges" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
$as sh -c "export DEBIAN_FRONTEND=noninteractive; $command" >"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	echo "this did not work: $command" >&2
	exit 4
}
"$here/go.sh" >/dev/null || exit 4

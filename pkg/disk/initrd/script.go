// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package initrd

import "strings"

// applets are the names of busybox that initScript uses, and a few for whoever
// has to find out why it stopped.
func applets() []string {
	return strings.Fields("cat dmesg echo findfs hexdump insmod ls mkdir mknod mount readlink sh sleep switch_root tail tr umount")
}

// initScript is /init. It ends in the root file system's init or, after saying
// why, in a kernel panic, so that panic= decides what follows.
//
// busybox's findfs knows LABEL= and UUID= only. PARTUUID= is read from the
// tables themselves, because the kernels in use do not show it in sysfs: in a
// GPT the 16 bytes at 1024 + 128 x (number - 1) + 16, in an MBR disk the
// signature at 440.
const initScript = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs -o mode=0755 dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

fail() {
	dmesg | tail -n 25
	echo "initrd: $*"
	ls /sys/class/block
	sleep 1
	exit 1
}

while read -r m; do
	insmod "/m/$m.ko" 2>/dev/null
done </m/order

root= init= type= flags= mode=ro wait=60 delay=0
for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	init=*) init=${word#init=} ;;
	rootfstype=*) type=${word#rootfstype=} ;;
	rootflags=*) flags=${word#rootflags=} ;;
	rootdelay=*) delay=${word#rootdelay=} ;;
	rootwait) wait=2000000000 ;;
	ro | rw) mode=$word ;;
	esac
done
root=${root#\"}
root=${root%\"}
[ -n "$root" ] || fail "no root= on the kernel's command line"
[ "$delay" = 0 ] || sleep "$delay"

# partuuid PARTITION-DIRECTORY: what the kernel calls PARTUUID
partuuid() {
	read -r n <"$1/partition" || return
	p=$(readlink -f "$1")
	p=${p%/*}
	disk=/dev/${p##*/}
	if [ "$(hexdump -s 512 -n 8 -e '8/1 "%c"' "$disk")" = "EFI PART" ]; then
		hexdump -s $((1024 + 128 * (n - 1) + 16)) -n 16 \
			-e '1/4 "%08x" 1/2 "-%04x" 1/2 "-%04x-" 2/1 "%02x" "-" 6/1 "%02x"' "$disk"
	else
		hexdump -s 440 -n 4 -e '1/4 "%08x"' "$disk"
		printf -- '-%02x' "$n"
	fi
}

# locate: print the device that root= means
locate() {
	case $root in
	LABEL=* | UUID=*) findfs "$root" 2>/dev/null ;;
	PARTUUID=*)
		for d in /sys/class/block/*; do
			[ -e "$d/partition" ] || continue
			u=$(partuuid "$d")
			[ "$u" = "$want" ] && echo "/dev/${d##*/}" && return
		done
		;;
	PARTLABEL=*)
		for d in /sys/class/block/*; do
			while read -r line; do
				[ "$line" = "PARTNAME=${root#PARTLABEL=}" ] && echo "/dev/${d##*/}" && return
			done <"$d/uevent"
		done
		;;
	*) echo "$root" ;;
	esac
}

want=$(echo "${root#PARTUUID=}" | tr A-F a-f)
tries=0
while :; do
	dev=$(locate)
	[ -b "$dev" ] && break
	tries=$((tries + 1))
	[ $tries -lt "$wait" ] || fail "no device for root=$root after $tries tries"
	sleep 0.5
done
echo "initrd: root=$root is $dev after $tries tries"

mount ${type:+-t "$type"} -o "$mode${flags:+,$flags}" "$dev" /root || fail "cannot mount $dev"
for i in "$init" /sbin/init /etc/init /bin/init /bin/sh; do
	[ -n "$i" ] || continue
	if [ -x "/root$i" ] || [ -L "/root$i" ]; then
		[ -d /root/dev ] || fail "$dev has no directory dev"
		mount -o move /dev /root/dev
		umount /proc /sys
		exec switch_root /root "$i"
	fi
	[ "$i" = "$init" ] && echo "initrd: $dev has no init=$i"
done
fail "$dev has no init"
`

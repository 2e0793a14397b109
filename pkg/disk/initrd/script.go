// SPDX-License-Identifier: MPL-2.0

package initrd

import "strings"

// applets are the applets of busybox that initScript uses, and a few for finding
// out why it stopped.
func applets() []string {
	return strings.Fields("cat dmesg echo findfs hexdump insmod losetup ls mkdir mknod mount readlink sh sleep switch_root tail tr umount")
}

// initScript is /init. It ends by starting the root file system's init or, after an
// error message, in a kernel panic, so that panic= determines what follows.
//
// busybox's findfs supports only LABEL= and UUID=. PARTUUID= is read from the tables
// themselves, because the kernels in use do not show it in sysfs: in a GPT the 16 bytes at
// 1024 + 128 x (number - 1) + 16, in an MBR disk the signature at 440.
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

root= init= type= flags= mode=ro wait=60 delay=0 hash= tree= over= looped=
for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	init=*) init=${word#init=} ;;
	rootfstype=*) type=${word#rootfstype=} ;;
	rootflags=*) flags=${word#rootflags=} ;;
	rootdelay=*) delay=${word#rootdelay=} ;;
	rootwait) wait=2000000000 ;;
	ro | rw) mode=$word ;;
	roothash=*) hash=${word#roothash=} ;;
	systemd.verity_root_data=*) root=${word#systemd.verity_root_data=} ;;
	systemd.verity_root_hash=*) tree=${word#systemd.verity_root_hash=} ;;
	systemd.volatile=overlay) over=tmpfs ;;
	overlayroot=*) over=${word#overlayroot=} ;;
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

# locate DEVICE: print the path of the device that is meant
locate() {
	case $1 in
	LABEL=* | UUID=*) findfs "$1" 2>/dev/null ;;
	PARTUUID=*)
		want=$(echo "${1#PARTUUID=}" | tr A-F a-f)
		for d in /sys/class/block/*; do
			[ -e "$d/partition" ] || continue
			u=$(partuuid "$d")
			[ "$u" = "$want" ] && echo "/dev/${d##*/}" && return
		done
		;;
	PARTLABEL=*)
		for d in /sys/class/block/*; do
			while read -r line; do
				[ "$line" = "PARTNAME=${1#PARTLABEL=}" ] && echo "/dev/${d##*/}" && return
			done <"$d/uevent"
		done
		;;
	*) echo "$1" ;;
	esac
}

# discs: the kernel looks for no partitions on a disc; for a loop device it does
discs() {
	for d in /sys/class/block/sr*; do
		d=/dev/${d##*/}
		case " $looped " in *" $d "*) continue ;; esac
		[ "$(hexdump -s 512 -n 8 -e '8/1 "%c"' "$d" 2>/dev/null)" = "EFI PART" ] || continue
		losetup -r -P -f "$d" && looped="$looped $d"
	done
}

# await WHAT DEVICE: wait for a device, whose path is then in dev
await() {
	tries=0
	while :; do
		dev=$(locate "$2")
		[ -b "$dev" ] && break
		tries=$((tries + 1))
		[ $tries -lt "$wait" ] || fail "no device for $1=$2 after $tries tries"
		[ $tries -lt 4 ] || discs # which all other drives come before
		sleep 0.5
	done
	echo "initrd: $1=$2 is $dev after $tries tries"
}

if [ -n "$hash" ]; then
	await systemd.verity_root_hash "$tree"
	tree=$dev
fi
await root "$root"
if [ -n "$hash" ]; then
	[ -x /bin/veritysetup ] || fail "roothash= needs veritysetup, which this initrd was made without"
	mkdir -p /run/cryptsetup
	veritysetup open "$dev" root "$tree" "$hash" || fail "$dev is not what roothash= says"
	dev=/dev/mapper/root
	mode=ro
fi

if [ -z "$over" ]; then
	mount ${type:+-t "$type"} -o "$mode${flags:+,$flags}" "$dev" /root || fail "cannot mount $dev"
else
	mount ${type:+-t "$type"} -o "ro${flags:+,$flags}" "$dev" /lower || fail "cannot mount $dev"
	if [ "$over" = tmpfs ]; then
		mount -t tmpfs -o mode=0755 overlay /upper
	else
		await overlayroot "$over"
		mount -o rw "$dev" /upper || fail "cannot mount $dev"
	fi
	mkdir -p /upper/upper /upper/work
	mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /root || fail "cannot mount the overlay"
fi
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

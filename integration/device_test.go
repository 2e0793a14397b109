// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writer is a machine that writes a disk from a layout to its block devices:
// busybox, the program, and what a script says. Kernel and initrd are beside.
func writer(t *testing.T) string {
	return `<redo>
  <buildstage id="kernel">
    <bootstrap suite="bookworm" packages="busybox-static"/>
    <action>ENV INITRD=No</action>
    <action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends linux-image-cloud-amd64</action>
  </buildstage>
  ` + base(t) + `
  <buildstage id="guest"><prestage>base</prestage>
    <action>ADD layout /layout</action>
    <action>ADD small.xml /small.xml</action>
    <action>ADD --chmod=755 ` + program(t) + ` /carosbuild</action>
    <action>ADD --chmod=755 guest /guest</action>
  </buildstage>
  <disk id="guest" stage="guest" table="gpt">
    <partition name="boot" fs="fat32" size="64M">
      <copy stage="kernel" from="/boot/vmlinuz-*" to="/vmlinuz"/>
      <initrd stage="kernel" to="/initrd.img" modules="ext4 virtio_blk virtio_pci"/>
    </partition>
    <partition name="root" fs="ext4" label="ROOT" size="fit+32M" path="/">
      <file to="/dev/x"/><file to="/proc/x"/><file to="/sys/x"/><file to="/run/x"/><file to="/mnt/x"/>
    </partition>
  </disk>
</redo>`
}

// small is the disk that the machine writes.
const small = `<disk id="small" table="gpt" size="48M">
  <partition name="esp" type="esp" fs="fat16" label="BOOT" size="16M"><file to="/hello">hello</file></partition>
  <partition name="root" fs="ext4" label="SMALL" size="rest" path="/"/>
</disk>`

// guestScript is its init. The marker is put together, so that no echo can be
// taken for it.
const guestScript = `#!/bin/sh
export PATH=/bin HOME=/run SOURCE_DATE_EPOCH=` + epoch + `
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; echo 3 >/proc/sys/kernel/printk
try() {
	name=$1 out=$2; shift 2
	/carosbuild disk oci:/layout:base --declaration /small.xml --progress=quiet --out "$out" "$@" >/run/out 2>&1
	status=$?
	tr '\n' ' ' </run/out | { read -r text; echo "GUEST-""RESULT $name $status $text"; }
}
dev() { for d in /sys/class/block/*; do [ "$(cat "$d/serial" 2>/dev/null)" = "$1" ] && echo "/dev/${d##*/}"; done; }
try vmdk "$(dev plain)" --format vmdk
try plain "$(dev plain)"
try zeroing "$(dev zeroing)"
try small "$(dev small)"
try own /dev/vda
mount -o ro,noload "$(dev mounted)" /mnt && try mounted "$(dev mounted)"
umount /mnt
swapon "$(dev swap)" && try swap "$(dev swap)"
try readonly "$(dev readonly)"
sync
poweroff -f
`

// garbage fills a file with bytes of which none is zero.
func garbage(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), int(size/8)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBlockDevice writes a disk to the block devices of a machine, which hold
// garbage: those bytes are the file's that the same command writes here, and
// what is behind them stays. Devices that are in use or too small are refused,
// and have not changed.
func TestBlockDevice(t *testing.T) {
	tool(t, "qemu-system-x86_64")
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=" + epoch)
	w.file(t, "base.xml", "<redo>"+base(t)+"</redo>")
	w.build(t, "base.xml", "-B", "b")
	w.ok(t, program(t), "export", "b:base", "--to", "oci:layout:base")
	w.file(t, "small.xml", small)
	w.ok(t, program(t), "disk", "oci:layout:base", "--declaration", "small.xml", "--out", "want.raw")
	w.file(t, "guest", guestScript)
	w.file(t, "guest.xml", writer(t))
	r, _ := w.build(t, "guest.xml", "--out", "guest.raw")
	t.Logf("built in %v", r.took.Round(time.Second))

	const size = 48 << 20
	at := func(name string) string { return filepath.Join(w.work, name) }
	for name, n := range map[string]int64{"plain": size + 4<<20, "zeroing": size, "small": size - 512, "mounted": size, "swap": size, "readonly": size} {
		garbage(t, at(name), n)
	}
	w.ok(t, tool(t, "mke2fs"), "-q", "-F", "-t", "ext4", "mounted")
	w.ok(t, tool(t, "mkswap"), "swap")
	before := map[string]string{}
	for _, name := range []string{"small", "mounted", "swap", "readonly"} {
		before[name] = sha256Of(t, at(name))
	}

	start := time.Now()
	got := runWriter(t, w)
	t.Logf("ran for %v: %q", time.Since(start).Round(time.Second), got)
	for name, want := range map[string]string{
		"vmdk":     "a block device takes the disk as it is",
		"plain":    "0 ",
		"zeroing":  "0 ",
		"small":    "has 50331136 bytes, and the disk needs 50331648",
		"own":      "it is in use",
		"mounted":  "it is in use",
		"swap":     "it is in use",
		"readonly": "the device is read-only",
	} {
		if !strings.Contains(got[name], want) || strings.HasPrefix(got[name], "0 ") != strings.HasPrefix(want, "0 ") {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	for name, sum := range before {
		if sha256Of(t, at(name)) != sum {
			t.Errorf("%s has changed", name)
		}
	}
	for _, name := range []string{"plain", "zeroing"} {
		sameStart(t, at(name), at("want.raw"))
	}
}

// runWriter runs the machine and returns what it says of each device.
func runWriter(t *testing.T, w *world) map[string]string {
	t.Helper()
	boot := partition(t, w, filepath.Join(w.work, "guest.raw"), "boot")
	for _, file := range []string{"vmlinuz", "initrd.img"} {
		w.ok(t, tool(t, "mcopy"), "-n", "-i", boot, "::/"+file, filepath.Join(w.work, file))
	}
	// Another day than that of the host, whose disk has to be the same.
	args := []string{"-rtc", "base=2035-05-05T05:05:05", "-kernel", "vmlinuz", "-initrd", "initrd.img", "-append", "root=LABEL=ROOT rw init=/guest console=ttyS0 panic=-1 quiet"}
	for name, more := range map[string][2]string{"plain": {}, "zeroing": {"", ",discard=off,write-zeroes=off"}, "small": {}, "mounted": {}, "swap": {}, "readonly": {",readonly=on"}} {
		args = append(args, "-drive", "id="+name+",if=none,format=raw,cache=unsafe,discard=unmap,file="+name+more[0],
			"-device", "virtio-blk-pci,drive="+name+",serial="+name+more[1])
	}
	m := machine{image: filepath.Join(w.work, "guest.raw"), format: "raw", disk: "virtio", size: "1G", more: args}
	got := map[string]string{}
	err := m.run(t, w, 4*time.Minute, func(line string) bool {
		if _, result, ok := strings.Cut(line, "GUEST-RESULT "); ok {
			name, rest, _ := strings.Cut(result, " ")
			got[name] = rest
		}
		return false
	})
	if err != nil {
		t.Fatalf("%v; it said %q", err, got)
	}
	return got
}

// sameStart compares a device with the disk that was written to it; garbage
// follows.
func sameStart(t *testing.T, device, disk string) {
	t.Helper()
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.CopyN(h, f, st.Size()); err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), sha256Of(t, disk); got != want {
		t.Errorf("%s begins with other bytes than the disk", filepath.Base(device))
	}
	rest, err := io.ReadAll(f)
	if err != nil || len(bytes.ReplaceAll(rest, []byte("garbage "), nil)) > 0 {
		t.Errorf("%s: what is behind the disk has changed (%v)", filepath.Base(device), err)
	}
}

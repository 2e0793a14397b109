// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sealed is a verified read-only root below an overlay, started from a unified
// kernel image; /var is a file system of its own. The same system is on a live
// disc. Its marker is put together,
// so that no echo can be taken for it.
const sealed = `<redo>
  <buildstage id="system">
    <bootstrap suite="bookworm" packages="systemd-sysv udev dbus systemd-boot-efi busybox-static cryptsetup-bin libcap2-bin"/>
    <action>ENV INITRD=No</action>
    <action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends linux-image-cloud-amd64</action>
    <action>ADD report /usr/local/sbin/report</action>
    <action>ADD report.service /etc/systemd/system/report.service</action>
    <action>RUN systemctl enable report.service; setcap cap_net_raw+ep /usr/bin/sleep; ln /usr/bin/sleep /usr/bin/doze; truncate -s 30M /opt/sparse; printf mark | dd of=/opt/sparse bs=1 seek=12345678 conv=notrunc; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin</action>
  </buildstage>
  <disk id="sealed" stage="system" table="gpt">
    <partition name="esp" type="esp" fs="fat32" size="128M">
      <uki stub="/usr/lib/systemd/boot/efi/linuxx64.efi.stub" kernel="/boot/vmlinuz-*" programs="/usr/sbin/veritysetup"
        modules="squashfs overlay dm-verity sha256_generic virtio_blk virtio_pci ext4"
        cmdline="root=PARTLABEL=root roothash={roothash:root} systemd.verity_root_hash=PARTLABEL=root-verity systemd.volatile=overlay ro console=ttyS0 panic=-1"/>
    </partition>
    <partition name="root" type="root-x86-64" fs="squashfs" size="fit" path="/" attributes="read-only"/>
    <partition name="root-verity" type="root-x86-64-verity" fs="verity" of="root" size="fit"/>
    <partition name="data" fs="ext4" label="DATA" size="64M" grow="yes"><file to="/hello">from the data partition</file></partition>
    <expect console="from_the_data_partition" within="6m"/>
  </disk>
  <disk id="erofs" stage="system" table="gpt">
    <partition name="esp" type="esp" fs="fat32" size="128M">
      <uki stub="/usr/lib/systemd/boot/efi/linuxx64.efi.stub" kernel="/boot/vmlinuz-*" programs="/usr/sbin/veritysetup"
        modules="erofs overlay dm-verity sha256_generic virtio_blk virtio_pci ext4"
        cmdline="root=PARTLABEL=system roothash={roothash:system} systemd.verity_root_hash=PARTLABEL=system-verity systemd.volatile=overlay ro console=ttyS0 panic=-1"/>
    </partition>
    <partition name="system" type="root-x86-64" fs="erofs" label="SYSTEM" size="fit" path="/" attributes="read-only"/>
    <partition name="system-verity" type="root-x86-64-verity" fs="verity" of="system" size="fit"/>
    <partition name="data" fs="ext4" label="DATA" size="64M" grow="yes"><file to="/hello">from the data partition</file></partition>
    <expect console="from_the_data_partition" within="6m"/>
  </disk>
  <buildstage id="tools"><prestage>system</prestage>
    <action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends grub-common grub-pc-bin</action>
  </buildstage>
  <disk id="live" stage="system" table="gpt">
    <bios stage="tools"/>
    <partition name="esp" type="esp" fs="fat32" label="LIVE" size="128M">
      <copy from="/boot/vmlinuz-*" to="/vmlinuz"/>
      <copy from="/usr/lib/systemd/boot/efi/systemd-bootx64.efi" to="/EFI/BOOT/BOOTX64.EFI"/>
      <initrd to="/initrd.img" modules="squashfs overlay loop ata_piix sr_mod virtio_blk virtio_pci"/>
      <loader title="Live" cmdline="root=PARTLABEL=root systemd.volatile=overlay ro console=ttyS0 panic=-1"/>
    </partition>
    <partition name="root" type="root-x86-64" fs="squashfs" size="fit" path="/" attributes="read-only"/>
    <expect console="SEALED-OK overlay squashfs" within="6m"/>
  </disk>
</redo>`

const sealedReport = `#!/bin/sh
mkdir -p /mnt/data && mount LABEL=DATA /mnt/data
touch /written && root=$(findmnt -no FSTYPE /) && lower=$(blkid -o value -s TYPE "/dev/mapper/$(cat /sys/block/dm-0/dm/name)")
verity=$(dmsetup table root 2>/dev/null | cut -d' ' -f3)
files=$([ /usr/bin/sleep -ef /usr/bin/doze ] && tr -d '\000' </opt/sparse && stat -c %s /opt/sparse)
[ -n "$verity" ] || verity=$(cat /sys/block/dm-0/dm/name)
printf 'SEALED-%s %s %s %s %s %s %s\n' OK "$root" "${lower:-squashfs}" "$verity" "$files" "$(getcap /usr/bin/sleep | tr ' ' _)" "$(tr ' ' _ </mnt/data/hello)" >/dev/console
`

const sealedUnit = `[Unit]
Description=Tell the test how the system is

[Service]
Type=oneshot
ExecStart=/bin/sh /usr/local/sbin/report

[Install]
WantedBy=multi-user.target
`

// TestSealed boots a verified root, and one that somebody has changed.
func TestSealed(t *testing.T) {
	tool(t, "qemu-system-x86_64")
	w := newWorld(t)
	w.file(t, "sealed.xml", sealed)
	w.file(t, "report", sealedReport)
	w.file(t, "report.service", sealedUnit)
	w.build(t, "sealed.xml", "--disk", "sealed", "--out", "sealed.raw", "--out", "sealed.qcow2")
	raw := filepath.Join(w.work, "sealed.raw")
	w.ok(t, tool(t, "unsquashfs"), "-s", partition(t, w, raw, "root"))
	w.ok(t, program(t), "inspect", "--check", "sealed.raw")
	r := w.ok(t, program(t), "boot", "sealed.qcow2", "--declaration", "sealed.xml", "--disk", "sealed", "--firmware", "efi", "--accel", "tcg", "--bus", "virtio")
	for _, want := range []string{"SEALED-OK overlay squashfs ", "sleep_cap_net_raw=ep from_the_data_partition"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the console did not show %q:\n%s", want, tailOf(r.stderr))
		}
	}

	t.Run("erofs", func(t *testing.T) { testErofs(t, w) })
	t.Run("disc", func(t *testing.T) { testDisc(t, w) })

	// One byte in the middle of the root: its first readers get an error, or
	// the system does not come up at all; it must not say that all is well.
	first := firstSector(t, w, raw, "root")
	f, err := os.OpenFile(raw, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	at := first * 512 // the super block, which is read first
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	bad := w.run(t, program(t), "boot", "sealed.raw", "--declaration", "sealed.xml", "--disk", "sealed", "--firmware", "efi", "--accel", "tcg", "--bus", "virtio", "--timeout", "4m")
	if bad.status != 1 || !strings.Contains(bad.stderr, "verity") {
		t.Errorf("with a changed root: status %d\n%s", bad.status, tailOf(bad.stderr))
	}
	if c := w.run(t, program(t), "inspect", "--check", "sealed.raw"); c.status != 1 {
		t.Errorf("inspect --check of a changed root: status %d\n%s", c.status, c.stdout)
	}
}

// testErofs boots the same system from a verified erofs: the kernel reads what it
// needs, attributes, a hard link and a file with holes.
func testErofs(t *testing.T, w *world) {
	fsck := tool(t, "fsck.erofs")
	w.build(t, "sealed.xml", "--disk", "erofs", "--out", "erofs.raw", "--out", "again.raw")
	raw := filepath.Join(w.work, "erofs.raw")
	w.ok(t, fsck, "--extract", partition(t, w, raw, "system"))
	w.ok(t, program(t), "inspect", "--check", "erofs.raw")
	out := w.ok(t, program(t), "inspect", "erofs.raw").stdout
	for _, want := range []string{"erofs", "SYSTEM"} {
		if !strings.Contains(out, want) {
			t.Errorf("inspect did not say %q:\n%s", want, out)
		}
	}
	if out := w.ok(t, program(t), "inspect", "erofs.raw", "--ls", "system:/opt").stdout; !strings.Contains(out, "sparse") {
		t.Errorf("/opt has\n%s", out)
	}
	w.ok(t, program(t), "diff", "erofs.raw", "again.raw")
	r := w.ok(t, program(t), "boot", "erofs.raw", "--declaration", "sealed.xml", "--disk", "erofs", "--firmware", "efi", "--accel", "tcg", "--bus", "virtio")
	for _, want := range []string{"SEALED-OK overlay erofs ", " mark31457280 ", "sleep_cap_net_raw=ep from_the_data_partition"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the console did not show %q:\n%s", want, tailOf(r.stderr))
		}
	}
}

// testDisc boots a disk that is a disc too, from a CD drive and as a disk, with
// both firmwares.
func testDisc(t *testing.T, w *world) {
	w.build(t, "sealed.xml", "--disk", "live", "--out", "live.iso", "--out", "again.iso")
	if a, b := sha256Of(t, filepath.Join(w.work, "live.iso")), sha256Of(t, filepath.Join(w.work, "again.iso")); a != b {
		t.Errorf("two discs differ: %s, %s", a, b)
	}
	w.ok(t, program(t), "inspect", "--check", "live.iso")
	if out := w.ok(t, tool(t, "sgdisk"), "-v", "live.iso").stdout; !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk: %s", out)
	}
	out := w.ok(t, tool(t, "xorriso"), "-indev", "live.iso", "-report_el_torito", "plain").stdout
	for _, want := range []string{"1  BIOS  y   none", "2  UEFI  y   none", "boot-info-table", "path :   2  /EFI.IMG"} {
		if !strings.Contains(out, want) {
			t.Errorf("xorriso did not say %q:\n%s", want, out)
		}
	}
	for _, m := range []struct{ bus, firmware, root string }{
		{"ide-cd", "efi", "/dev/loop0p3"},
		{"ide-cd", "bios", "/dev/loop0p3"},
		{"virtio", "bios", "/dev/vda3"},
	} {
		r := w.ok(t, program(t), "boot", "live.iso", "--declaration", "sealed.xml", "--disk", "live", "--firmware", m.firmware, "--accel", "tcg", "--bus", m.bus)
		if want := "initrd: root=PARTLABEL=root is " + m.root; !strings.Contains(r.stderr, want) {
			t.Errorf("%s, %s: the console did not show %q:\n%s", m.bus, m.firmware, want, tailOf(r.stderr))
		}
	}
}

// firstSector is where a partition begins.
func firstSector(t *testing.T, w *world, raw, name string) int64 {
	t.Helper()
	for line := range strings.SplitSeq(w.ok(t, tool(t, "sgdisk"), "-p", raw).stdout, "\n") {
		if f := strings.Fields(line); len(f) == 7 && f[6] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s has no partition %q", raw, name)
	return 0
}

// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uboot"
)

const mib = 1 << 20

// files makes a tree; names that end in a slash are directories.
func files(t testing.TB, content map[string]string) *tree.Tree {
	t.Helper()
	b := tree.NewBuilder(1700000000)
	for name, text := range content {
		e := tree.Entry{Path: name, Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(len(text)), Content: image.Bytes(text)}
		if d, ok := strings.CutSuffix(name, "/"); ok {
			e = tree.Entry{Path: d, Mode: tree.Dir | 0o755, Mtime: 1700000000}
		}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bzImage is the head of a kernel for x86.
func bzImage(version string) string {
	b := make([]byte, 20000)
	copy(b, "MZ")
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x3000)
	copy(b[0x3200:], version+" (builder@host) #1 SMP\x00")
	return string(b)
}

// efiProgram is the head of an EFI program.
func efiProgram(mark string) string {
	b := make([]byte, 4096)
	copy(b, "MZ")
	b[60] = 0x80
	copy(b[0x80:], "PE\x00\x00\x64\x86")
	copy(b[1024:], mark)
	return string(b)
}

func esp() map[string]string {
	return map[string]string{
		"vmlinuz":                   bzImage("6.1.0-28-amd64"),
		"initrd.img":                "initrd",
		"EFI/BOOT/BOOTX64.EFI":      efiProgram("#### LoaderInfo: systemd-boot 252.39-1~deb12u1 ####"),
		"loader/entries/caros.conf": "title CarOS\nlinux /vmlinuz\ninitrd /initrd.img\noptions root=LABEL=CAROSROOT ro console=ttyS0,115200n8\n",
	}
}

func root() map[string]string {
	return map[string]string{
		"etc/":               "",
		"etc/hostname":       "node-1\n",
		"usr/lib/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
		"sbin/init":          "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("code", 1000),
		"empty":              "",
	}
}

// bios are images with the fields that package grub reads.
func bios() *disk.BIOS {
	boot, core := make([]byte, 512), bytes.Repeat([]byte{0xCC}, 3*512)
	boot[0x5C], boot[0x64], boot[0x66], boot[510], boot[511] = 1, 0xFF, 0xEB, 0x55, 0xAA
	copy(boot[0x180:], "GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error")
	clear(core[256:512])
	copy(core[0x1F4:], []byte{2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 0x08})
	return &disk.BIOS{Boot: boot, Core: core}
}

func hybrid(t testing.TB, root map[string]string) disk.Spec {
	t.Helper()
	return disk.Spec{
		Table: "gpt", Size: 128 << 20, Seed: []byte("seed"), Time: 1700000000, BIOS: bios(),
		Partitions: []disk.Partition{
			{Name: "esp", Type: "esp", FS: "fat32", Label: "CAROSESP", Size: bytesize.Partition{Bytes: 40 << 20}, Tree: files(t, esp())},
			{Name: "root", Type: "root-x86-64", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Rest: true}, Tree: files(t, root)},
		},
	}
}

// loader is a u-boot-sunxi-with-spl.bin.
func loader() []byte {
	const length = 0x6000
	b := bytes.Repeat([]byte{0xFF}, 0x8000)
	clear(b[:length])
	copy(b[4:], "eGON.BT0")
	binary.LittleEndian.PutUint32(b[16:], length)
	copy(b[20:], "SPL\x02")
	b[32] = 0x2C
	copy(b[0x2C:], "sun7i-a20-lamobo-r1\x00")
	sum := uint32(0x5F0A6C39)
	for i := 0; i < length; i += 4 {
		sum += binary.LittleEndian.Uint32(b[i:])
	}
	binary.LittleEndian.PutUint32(b[12:], sum)
	proper := uboot.Script(bytes.Repeat([]byte("code"), 5000), "U-Boot 2023.01", 1)
	proper[28], proper[30] = 17, 5 // of U-Boot, firmware
	clear(proper[4:8])
	binary.BigEndian.PutUint32(proper[4:], crc32.ChecksumIEEE(proper[:64]))
	return append(b, proper...)
}

// board is an SD card with u-boot.
func board(t testing.TB) disk.Spec {
	t.Helper()
	zImage := make([]byte, 64)
	copy(zImage[0x24:], "\x18\x28\x6f\x01")
	return disk.Spec{
		Table: "mbr", Seed: []byte("card"), Blobs: []disk.Blob{{Name: "u-boot", At: 8 << 10, Data: loader()}},
		Partitions: []disk.Partition{
			{Name: "boot", FS: "fat32", Label: "CAROSBOOT", Size: bytesize.Partition{Fit: true}, Active: true, Tree: files(t, map[string]string{
				"zImage":                 string(zImage) + packed(t, "stub Linux version 6.1.0-28-armmp (builder) "+strings.Repeat("x", 200)),
				"extlinux/extlinux.conf": "default caros\nlabel caros\n\tlinux /zImage\n\tfdt /a.dtb\n\tappend root=LABEL=CAROSROOT ro\n",
			})},
			{Name: "root", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Fit: true, Bytes: 8 << 20}, Tree: files(t, map[string]string{"boot/vmlinuz-6.1.0-50-armmp": string(zImage)})},
		},
	}
}

func compose(t testing.TB, s disk.Spec) *image.Image {
	t.Helper()
	l, err := disk.Compose(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return l.Image
}

// opened writes a disk to a file of that name and opens it.
func opened(t testing.TB, m *image.Image, name, format string) *Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := disk.Write(t.Context(), path, format, m, disk.WriteOptions{Seed: []byte("seed")}); err != nil {
		t.Fatal(err)
	}
	o, err := disk.OpenDisk(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func looked(t testing.TB, d device) *Disk {
	t.Helper()
	x, err := open(d)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// bytesDevice is a disk in memory.
type bytesDevice struct{ image.Bytes }

func (b bytesDevice) Size() int64 { return int64(len(b.Bytes)) }

func bytesOf(t testing.TB, m *image.Image) []byte {
	t.Helper()
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

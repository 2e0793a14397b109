// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func report(t testing.TB, d *Disk) *Report {
	t.Helper()
	r, err := d.Report()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	m := compose(t, hybrid(t, root()))
	for _, format := range []string{"raw", "vmdk", "vmdk-sparse"} {
		r := report(t, opened(t, m, "d", format))
		if (r.VM != nil) != (format != "raw") || r.VM != nil && (r.VM.Adapter != "lsilogic" || r.VM.HardwareVersion != "4") {
			t.Errorf("%s: VM %+v", format, r.VM)
		}
		want := []Boot{
			{Kind: "bios", Offset: mib, Name: "GRUB", Detail: "core image of 1536 bytes"},
			{Kind: "efi", Partition: 2, Path: "/EFI/BOOT/BOOTX64.EFI", Name: "systemd-boot", Version: "252.39-1~deb12u1", Arch: "x64"},
			{Kind: "entry", Partition: 2, Path: "/loader/entries/caros.conf", Name: "CarOS", Detail: "linux /vmlinuz\ninitrd /initrd.img\noptions root=LABEL=CAROSROOT ro console=ttyS0,115200n8"},
			{Kind: "kernel", Partition: 2, Path: "/vmlinuz", Name: "Linux", Version: "6.1.0-28-amd64", Arch: "x64", Detail: "bzImage"},
		}
		if diff := cmp.Diff(want, r.Boot); diff != "" {
			t.Errorf("%s: boot (-want +got):\n%s", format, diff)
		}
		if diff := cmp.Diff(&OS{Partition: 3, ID: "debian", Version: "12", Name: "Debian GNU/Linux 12 (bookworm)", Arch: "x86_64"}, r.OS); diff != "" {
			t.Errorf("%s: system (-want +got):\n%s", format, diff)
		}
		var parts []string
		for _, p := range r.Partitions {
			fs := p.FileSystem
			if fs == nil {
				fs = &FileSystem{}
			}
			parts = append(parts, fmt.Sprintf("%d %s %s %d %d %s %s %d %s", p.Number, p.Name, p.Type, p.Start/mib, p.Size/mib, fs.Kind, fs.Label, fs.Files, fs.Error))
		}
		if diff := cmp.Diff([]string{"1 bios bios 1 1   0 ", "2 esp esp 2 40 fat32 CAROSESP 8 ", "3 root root-x86-64 42 85 ext4 CAROSROOT 9 "}, parts); diff != "" {
			t.Errorf("%s: partitions (-want +got):\n%s", format, diff)
		}
	}
}

func TestReportBoard(t *testing.T) {
	r := report(t, opened(t, compose(t, board(t)), "card.img", ""))
	want := []Boot{
		{Kind: "spl", Name: "U-Boot 2023.01", Offset: 8192, Detail: "sun7i-a20-lamobo-r1"},
		{Kind: "config", Partition: 1, Path: "/extlinux/extlinux.conf", Name: "extlinux", Detail: "linux /zImage\nfdt /a.dtb\nappend root=LABEL=CAROSROOT ro"},
		{Kind: "kernel", Partition: 1, Path: "/zImage", Name: "Linux", Version: "6.1.0-28-armmp", Arch: "arm", Detail: "zImage"},
		{Kind: "kernel", Partition: 2, Path: "/boot/vmlinuz-6.1.0-50-armmp", Name: "Linux", Version: "6.1.0-50-armmp", Arch: "arm", Detail: "zImage"},
	}
	if diff := cmp.Diff(want, r.Boot); diff != "" {
		t.Errorf("boot (-want +got):\n%s", diff)
	}
	if r.Table.Kind != "mbr" || len(r.Table.Signature) != 8 || !strings.HasPrefix(r.Partitions[1].PartUUID, r.Table.Signature) || !r.Partitions[0].Active {
		t.Errorf("table %+v, partitions %+v", r.Table, r.Partitions)
	}
}

// TestCheckClean finds no problem in what we write.
func TestCheckClean(t *testing.T) {
	for _, format := range []string{"raw", "vmdk", "vmdk-sparse", "qcow2", "qcow2-compressed", "qcow2-zstd", "vhd", "vhd-fixed", "vhdx"} {
		ps, err := opened(t, compose(t, hybrid(t, root())), "d", format).Check(t.Context())
		if err != nil || len(ps) > 0 {
			t.Errorf("%s: %v, %v", format, ps, err)
		}
	}
	if ps, err := looked(t, compose(t, board(t))).Check(t.Context()); err != nil || len(ps) > 0 {
		t.Errorf("board: %v, %v", ps, err)
	}
}

// TestCheckDamage finds the damage in each part of a disk.
func TestCheckDamage(t *testing.T) {
	b := bytesOf(t, compose(t, hybrid(t, root())))
	for _, tt := range []struct {
		name string
		at   int
		want string
	}{
		{"GPT", 512 + 20*3, "GPT: its header has the checksum"},
		{"second GPT", len(b) - 512 + 60, "second GPT: its header has the checksum"},
		{"core image's place", 0x5D, "GRUB: "},
		{"list of blocks", mib + 0x1FE, "GRUB: its core image loads sector 2049 at segment"},
		{"FAT", 2*mib + 32*512 + 100, "partition esp: second FAT: it differs from the first"},
		{"superblock", 42*mib + 1024 + 0x78, "partition root: superblock: its checksum"},
		{"no superblock", 42*mib + 1024 + 0x38, "partition root: its type is root-x86-64, but"},
	} {
		b[tt.at] ^= 0x10
		d := looked(t, bytesDevice{b})
		ps, err := d.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, p := range ps {
			found = found || strings.HasPrefix(p.String(), tt.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %q", tt.name, ps, tt.want)
		}
		report(t, d)
		b[tt.at] ^= 0x10
	}
}

// TestCheckSPL finds a changed byte of U-Boot.
func TestCheckSPL(t *testing.T) {
	b := bytesOf(t, compose(t, board(t)))
	for at, want := range map[int]string{8192 + 500: "checksum of the first stage", 8192 + 0x8000 + 200: "checksum of the uImage's data"} {
		b[at] ^= 1
		ps, err := looked(t, bytesDevice{b}).Check(t.Context())
		if err != nil || len(ps) != 1 || !strings.Contains(ps[0].String(), want) {
			t.Errorf("byte %d changed: %v, %v, want %q", at, ps, err, want)
		}
		b[at] ^= 1
	}
}

// TestCheckOVA checks an appliance, intact and damaged.
func TestCheckOVA(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.ova")
	if err := disk.Write(t.Context(), path, "", compose(t, hybrid(t, root())), disk.WriteOptions{Seed: []byte("seed")}); err != nil {
		t.Fatal(err)
	}
	check := func(whole bool) []damage.Problem {
		o, err := disk.OpenDisk(path)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		d, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if r := report(t, d); r.OS == nil || r.Format != disk.OVA || whole && (r.VM.Cores != 2 || r.VM.HardwareVersion != "vmx-13") {
			t.Errorf("report %+v, machine %+v", r, r.VM)
		}
		ps, err := d.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ps
	}
	if ps := check(true); len(ps) > 0 {
		t.Errorf("good appliance: %v", ps)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("<VirtualSystem "))+3] ^= 0x20
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if ps := check(false); len(ps) == 0 || ps[0].Where != "OVA" {
		t.Errorf("damaged appliance: %v", ps)
	}
}

// TestBare examines a file system without a partition table.
func TestBare(t *testing.T) {
	m, err := ext4.Build(files(t, root()), ext4.Options{Label: "BARE"})
	if err != nil {
		t.Fatal(err)
	}
	d := looked(t, m)
	r := report(t, d)
	if r.Table != nil || len(r.Partitions) != 1 || r.Partitions[0].FileSystem.Label != "BARE" || r.OS == nil {
		t.Errorf("%+v", r)
	}
	if ps, err := d.Check(t.Context()); err != nil || len(ps) > 0 {
		t.Errorf("%v, %v", ps, err)
	}
	if empty := report(t, looked(t, bytesDevice{make([]byte, mib)})); len(empty.Partitions) > 0 || empty.Table != nil {
		t.Errorf("empty disk: %+v", empty)
	}
}

func TestFind(t *testing.T) {
	d := looked(t, compose(t, hybrid(t, root())))
	for _, tt := range []struct{ path, want string }{
		{"/etc/hostname", "node-1\n"},
		{"3:/etc/hostname", "node-1\n"},
		{"root:etc/hostname", "node-1\n"},
		{"CAROSROOT:/etc/../etc/hostname", "node-1\n"},
		{"esp:/initrd.img", "initrd"},
	} {
		_, e, err := d.Find(tt.path)
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if got, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size)); err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.path, got, err, tt.want)
		}
	}
	for path, want := range map[string]string{
		"/none": "partition root: look up /none: file does not exist", "nobody:/x": "there is no partition nobody", "1:/x": "partition bios has no file system that can be read",
	} {
		if _, _, err := d.Find(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// TestCheckVerity checks a root with a hash tree, intact and damaged, beside swap.
func TestCheckVerity(t *testing.T) {
	s := hybrid(t, root())
	s.Partitions[1].Size = bytesize.Partition{Bytes: 32 << 20}
	s.Partitions = append(s.Partitions, disk.Partition{Name: "hashes", Type: "root-x86-64-verity", FS: "verity", Of: "root"})
	s.Partitions = append(s.Partitions, disk.Partition{Name: "swap", FS: "swap", Label: "SWAP", Size: bytesize.Partition{Bytes: 8 << 20}, UUID: &uuid.UUID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}})
	b := bytesOf(t, compose(t, s))
	d := looked(t, bytesDevice{b})
	if f := report(t, d).Partitions[4].FileSystem; f.Kind != "swap" || f.Label != "SWAP" || f.UUID != "01234567-89ab-cdef-0123-456789abcdef" {
		t.Errorf("swap: %+v", f)
	}
	if ps, err := d.Check(t.Context()); err != nil || len(ps) > 0 {
		t.Errorf("good disk: %v, %v", ps, err)
	}
	b[bytes.Index(b, []byte("node-1\n"))] ^= 1
	ps, err := looked(t, bytesDevice{b}).Check(t.Context())
	if err != nil || len(ps) != 1 || !strings.HasPrefix(ps[0].String(), "partition hashes: tree: 1 hash blocks do not fit") {
		t.Errorf("changed content: %v, %v", ps, err)
	}
}

func run(t testing.TB, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tooltest.Find(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// TestForeign examines disks made by other programs, in formats written by other
// programs.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.MkdirAll(at("root/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("root/etc/os-release"), []byte("ID=other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"raw": 64 * mib, "esp": 8 * mib, "ext4": 32 * mib} {
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(at(name), size); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "label: gpt\n1M,8M,U\n10M,32M,L\n", "sfdisk", "-q", at("raw"))
	run(t, "", "mkfs.fat", "-n", "BOOT", at("esp"))
	run(t, "", "mcopy", "-i", at("esp"), at("root/etc/os-release"), "::a long name.txt")
	run(t, "", "mke2fs", "-q", "-t", "ext4", "-L", "ROOT", "-d", at("root"), at("ext4"))
	run(t, "", "dd", "status=none", "conv=notrunc", "bs=1M", "seek=1", "if="+at("esp"), "of="+at("raw"))
	run(t, "", "dd", "status=none", "conv=notrunc", "bs=1M", "seek=10", "if="+at("ext4"), "of="+at("raw"))
	first, err := disk.OpenDisk(at("raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	raw := looked(t, first)
	for _, format := range []string{"raw", "qcow2", "vpc", "vhdx", "vmdk"} {
		out := at("disk." + format)
		run(t, "", "qemu-img", "convert", "-f", "raw", "-O", format, at("raw"), out)
		o, err := disk.OpenDisk(out)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Close() })
		d, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		r := report(t, d)
		if len(r.Partitions) != 2 || r.Partitions[0].FileSystem.Label != "BOOT" || r.Partitions[1].FileSystem.Label != "ROOT" || r.OS.ID != "other" {
			t.Errorf("%s: %+v", format, r)
		}
		ps, err := d.Check(t.Context())
		if format == "vpc" { // whose size is a whole number of cylinders, so that it does not end where the GPT does
			ps = slices.DeleteFunc(ps, func(p damage.Problem) bool { return strings.Contains(p.Where, "GPT") || p.Where == "protective MBR" })
		}
		if err != nil || len(ps) > 0 {
			t.Errorf("%s: %v, %v", format, ps, err)
		}
		for _, diff := range differences(t, raw, d) {
			if format != "vpc" || !strings.HasPrefix(diff, "disk: size") {
				t.Errorf("%s: %s", format, diff)
			}
		}
	}
}

// TestDisc examines a disk that is also a disc.
func TestDisc(t *testing.T) {
	l, err := disk.Compose(t.Context(), hybrid(t, root()))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "d.iso")
	o := disk.WriteOptions{ISO: l.ISO("live", 1700000000, make([]byte, 4096))}
	if err := disk.Write(t.Context(), path, "", l.Image, o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var entries []Boot
	for _, e := range report(t, looked(t, bytesDevice{b})).Boot {
		if e.Kind == "eltorito" {
			entries = append(entries, e)
		}
	}
	want := []Boot{
		{Kind: "eltorito", Name: "bios", Offset: 23 * 2048, Detail: "of ISO 9660 volume LIVE"},
		{Kind: "eltorito", Name: "efi", Offset: 2 * mib, Partition: 2, Detail: "of ISO 9660 volume LIVE"},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if p, err := looked(t, bytesDevice{b}).Check(t.Context()); err != nil || len(p) > 0 {
		t.Errorf("an intact disc: %v, %v", p, err)
	}
	b[19*2048+3*32+8]++ // the sector that the entry for UEFI names
	p, err := looked(t, bytesDevice{b}).Check(t.Context())
	if err != nil || len(p) != 1 || !strings.Contains(p[0].Text, "not where a FAT begins") {
		t.Errorf("an entry for something else: %v, %v", p, err)
	}
}

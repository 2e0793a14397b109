// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/iso"
)

// input reads a file made by another program, from beside the sources.
func input(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../../shared/inputs", name))
	if os.IsNotExist(err) {
		t.Skipf("%s is not beside the sources", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checked are the problems that a check finds on a disk, one per line.
func checked(t testing.TB, b []byte) (string, damage.Verdict) {
	t.Helper()
	problems, err := looked(t, bytesDevice{b}).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n"), damage.VerdictOf(problems)
}

// TestForeignDiscs checks the heads of discs made by grub-mkrescue and isohybrid:
// the first has boot code that is in another sector, the other has a partition that
// begins with the table.
func TestForeignDiscs(t *testing.T) {
	for name, size := range map[string]int{"grub-rescue-head.iso": 5081088, "ipxe-head.iso": 2 << 20} {
		b := append(input(t, name), make([]byte, size)...)[:size]
		got, _ := checked(t, b)
		for _, bad := range []string{"loads sector 0", "at the table itself", "is not for it", "ISO 9660"} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// hybridDisc is a disc with one partition that spans all of it and contains
// another.
func hybridDisc(t testing.TB) []byte {
	t.Helper()
	const size = 8 * mib
	v, err := iso.Volume(iso.Options{Size: size, Limit: mib, ID: "LIVE", Time: 1700000000, EFI: iso.Region{Off: 2 * mib, Len: 4 * mib}, BIOS: make([]byte, 4096)})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	copy(b[iso.Start:], v)
	copy(b[446:], []byte{0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0})
	copy(b[462:], []byte{0, 0, 0, 0, 0xEF, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 0, 0})
	copy(b[510:], "\x55\xAA")
	return b
}

// TestHybridDisc checks a disc with an MBR whose first partition begins with the
// MBR itself and contains the second: this is common on discs and nowhere else.
func TestHybridDisc(t *testing.T) {
	b := hybridDisc(t)
	got, _ := checked(t, b)
	if strings.Contains(got, "table itself") || strings.Contains(got, "inside partition") {
		t.Errorf("a disc: %s", got)
	}
	clear(b[iso.Start : iso.Start+iso.Sector])
	got, verdict := checked(t, b)
	if !strings.Contains(got, "partition 1: it starts at the table itself") || !strings.Contains(got, "inside partition 1") || verdict != damage.Damaged {
		t.Errorf("no disc: %s: %s", verdict, got)
	}
}

// TestXorrisoDiscs checks discs that are also hard disks, of the kinds that
// distributions make.
func TestXorrisoDiscs(t *testing.T) {
	src := t.TempDir()
	esp := bytesOf(t, compose(t, disk.Spec{Seed: []byte("esp"), Table: "mbr", Partitions: []disk.Partition{{FS: "fat16", Size: bytesize.Partition{Bytes: 8 << 20}, Start: 1 << 20, Tree: files(t, esp())}}}))[mib : 9*mib]
	for name, b := range map[string][]byte{"esp": esp, "cdboot": bytes.Repeat([]byte("boot"), 2048), "text": []byte("text"), "../mbr": append(make([]byte, 400), make([]byte, 32)...)} {
		if err := os.WriteFile(filepath.Join(src, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bios := []string{"-b", "cdboot", "-no-emul-boot", "-boot-load-size", "4", "-eltorito-alt-boot", "-no-emul-boot", "-e"}
	for name, args := range map[string][]string{
		"plain":            nil,
		"isohybrid":        append([]string{"-isohybrid-mbr", filepath.Join(src, "../mbr")}, append(bios, "esp", "-isohybrid-gpt-basdat")...),
		"appended, in GPT": append([]string{"-append_partition", "2", "0xef", filepath.Join(src, "esp"), "-appended_part_as_gpt"}, append(bios, "--interval:appended_partition_2:all::")...),
		"appended, in MBR": append([]string{"-append_partition", "2", "0xef", filepath.Join(src, "esp"), "-partition_offset", "16"}, append(bios, "--interval:appended_partition_2:all::")...),
		"in a partition":   append([]string{"-efi-boot-part", "--efi-boot-image"}, append(bios, "esp")...),
	} {
		path := filepath.Join(t.TempDir(), "disc.iso")
		run(t, "", "xorriso", append(append([]string{"-as", "mkisofs", "-quiet", "-R", "-o", path}, args...), src)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{b, append(bytes.Clone(b), make([]byte, mib)...)} { // and on a larger medium
			if got, verdict := checked(t, b); verdict != damage.Sound {
				t.Errorf("%s, %d bytes: %s: %s", name, len(b), verdict, got)
			}
		}
	}
}

// TestNoDisk distinguishes files that are not disks from blank disks.
func TestNoDisk(t *testing.T) {
	mbr := make([]byte, 4096)
	copy(mbr[510:], "\x55\xAA")
	for _, tt := range []struct {
		name    string
		content []byte
		disk    bool
	}{
		{"page.html", []byte("<!DOCTYPE html>\n<html>" + strings.Repeat("text ", 1000) + "</html>"), false},
		{"README", bytes.Repeat([]byte("Read me.\n"), 100), false},
		{"short", []byte("x"), false},
		{"empty", nil, false},
		{"later", append(make([]byte, 600<<10), "text"...), false},
		{"new.img", make([]byte, 4*mib), true},
		{"boot.img", mbr, true},
		{"disc.iso", hybridDisc(t), true},
	} {
		path := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(path, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := disk.OpenDisk(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(o)
		if (err == nil) != tt.disk {
			t.Errorf("%s: got %v, want a disk %v", tt.name, err, tt.disk)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnreadKinds distinguishes unsupported content from damaged content.
func TestUnreadKinds(t *testing.T) {
	for _, m := range append(append([]magic{}, magics...), weakMagics...) {
		b := make([]byte, 3*mib)
		copy(b[m.off:], m.magic)
		got, verdict := checked(t, b)
		want := damage.Unread
		switch m.kind {
		case "swap":
			want = damage.Sound
		case "verity": // without what it is for
			want = damage.Damaged
		}
		if verdict != want {
			t.Errorf("%s: got %s (%s), want %s", m.kind, verdict, got, want)
		}
	}
}

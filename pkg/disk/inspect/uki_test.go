// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uki"
	"github.com/google/go-cmp/cmp"
)

// efiKernel is a kernel for x86 that is an EFI program of one section.
func efiKernel(version string) string {
	b := []byte(bzImage(version))
	b[60] = 0x80
	pe := b[0x80:]
	copy(pe, "PE\x00\x00\x64\x86\x01\x00")
	binary.LittleEndian.PutUint16(pe[20:], 112)
	binary.LittleEndian.PutUint16(pe[24:], 0x20B)
	binary.LittleEndian.PutUint32(pe[24+32:], 0x1000)
	binary.LittleEndian.PutUint32(pe[24+36:], 0x200)
	section := pe[24+112:]
	copy(section, ".text")
	for i, n := range []uint32{19000, 0x1000, 19000, 1000} {
		binary.LittleEndian.PutUint32(section[8+4*i:], n)
	}
	return string(b)
}

// unifiedImage is an image with Debian's stub; no release means no section .uname.
func unifiedImage(t testing.TB, release, cmdline string) string {
	t.Helper()
	stub, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%v (package systemd-boot-efi)", err)
		}
		t.Skipf("%v (package systemd-boot-efi)", err)
	}
	sections := []uki.Section{
		{Name: ".osrel", Data: []byte("PRETTY_NAME=\"CarOS \x1b[31m1\"\nID=caros\nVERSION_ID=1\n")},
		{Name: ".cmdline", Data: []byte(cmdline)},
		{Name: ".linux", Data: []byte(efiKernel("6.1.0-50-amd64"))},
		{Name: ".initrd", Data: bytes.Repeat([]byte("i"), 5000)},
	}
	if release != "" {
		sections = append(sections, uki.Section{Name: ".uname", Data: []byte(release)})
	}
	b, err := uki.Build(stub, sections)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// withUKI is a disk whose ESP contains this image.
func withUKI(t testing.TB, image string) []byte {
	t.Helper()
	return bytesOf(t, compose(t, disk.Spec{
		Table: "gpt", Size: 40 << 20, Seed: []byte("seed"), Time: 1700000000,
		Partitions: []disk.Partition{{Name: "esp", Type: "esp", FS: "fat32", Size: bytesize.Partition{Bytes: 36 << 20}, Tree: files(t, map[string]string{
			"EFI/Linux/caros.efi":  image,
			"EFI/BOOT/BOOTX64.EFI": efiProgram("#### LoaderInfo: systemd-boot 252.39-1 ####"),
		})}},
	}))
}

func TestReportUKI(t *testing.T) {
	for release, want := range map[string]string{"": "6.1.0-50-amd64", "6.9.1-own\n": "6.9.1-own"} {
		d := looked(t, bytesDevice{withUKI(t, unifiedImage(t, release, "root=LABEL=CAROSROOT\n\x1b[2J quiet"))})
		boot := report(t, d).Boot
		i := slices.IndexFunc(boot, func(b Boot) bool { return b.Path == "/EFI/Linux/caros.efi" })
		b := boot[i]
		if b.Name != "unified kernel image" || b.Arch != "x64" || !strings.HasPrefix(b.Detail, "systemd-stub 25") || b.UKI == nil {
			t.Fatalf("%+v", b)
		}
		u := b.UKI
		var sizes []string
		for _, s := range u.Sections {
			if strings.Contains(".osrel .cmdline .linux .initrd", s.Name) {
				sizes = append(sizes, fmt.Sprint(s.Name, " ", s.Size))
			}
		}
		if diff := cmp.Diff([]string{".osrel 49", ".cmdline 32", ".linux 20000", ".initrd 5000"}, sizes); diff != "" {
			t.Errorf("sections (-want +got):\n%s", diff)
		}
		if len(u.Sections) < 8 {
			t.Errorf("the stub's own sections are missing: %v", u.Sections)
		}
		u.Sections = nil
		if diff := cmp.Diff(&UKI{Release: want, Cmdline: "root=LABEL=CAROSROOT [2J quiet", OSID: "caros", OSVersion: "1", OSName: "CarOS [31m1"}, u); diff != "" {
			t.Errorf("image (-want +got):\n%s", diff)
		}
		for _, b := range boot {
			if b.Path == "/EFI/BOOT/BOOTX64.EFI" && b.UKI != nil {
				t.Errorf("another program: %+v", b)
			}
		}
		if ps, err := d.Check(t.Context()); err != nil || len(ps) > 0 {
			t.Errorf("%v, %v", ps, err)
		}
	}
}

// TestCheckUKI finds damage of an image in EFI/Linux, with its path.
func TestCheckUKI(t *testing.T) {
	good := unifiedImage(t, "", "quiet")
	for name, tt := range map[string]struct{ image, want string }{
		"truncated":       {good[:len(good)-4096], `partition esp: /EFI/Linux/caros.efi: section ".initrd": it ends at `},
		"no program":      {strings.Repeat("x", 1000), "partition esp: /EFI/Linux/caros.efi: headers: not an EFI stub: it does not begin with MZ"},
		"empty":           {"", "partition esp: /EFI/Linux/caros.efi: headers: not an EFI stub: it is empty"},
		"another program": {efiProgram("nothing"), "partition esp: /EFI/Linux/caros.efi: headers: not an EFI stub"},
		"no kernel":       {strings.Replace(good, "PE\x00\x00\x64\x86\x01\x00", "XX\x00\x00\x64\x86\x01\x00", 1), `section ".linux": what is in it is not a kernel`},
	} {
		d := looked(t, bytesDevice{withUKI(t, tt.image)})
		ps, err := d.Check(t.Context())
		if err != nil || len(ps) != 1 || !slices.ContainsFunc(ps, func(p damage.Problem) bool { return strings.Contains(p.String(), tt.want) }) {
			t.Errorf("%s: %v, %v, want %q", name, ps, err, tt.want)
		}
		report(t, d)
	}
}

func TestDiffUKI(t *testing.T) {
	a := looked(t, bytesDevice{withUKI(t, unifiedImage(t, "6.1.0-1", "quiet"))})
	b := looked(t, bytesDevice{withUKI(t, strings.Replace(unifiedImage(t, "", "ro splash"), "iiii", "xxxx", 1))})
	want := []string{
		"section .cmdline differs (quiet and ro splash)",
		"section .initrd differs",
		"section .uname differs (7 bytes and none)",
	}
	var got []string
	for _, d := range differences(t, a, b) {
		if rest, ok := strings.CutPrefix(d, "partition esp: /EFI/Linux/caros.efi: section"); ok {
			got = append(got, "section"+rest)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

// TestDiffUKIProfiles compares each of several sections with the same name.
func TestDiffUKIProfiles(t *testing.T) {
	one := unifiedImage(t, "6.1.0-1", "quiet")
	two := strings.Replace(one, ".initrd\x00", ".cmdline", 1) // a second profile's
	a := looked(t, bytesDevice{withUKI(t, two)})
	b := looked(t, bytesDevice{withUKI(t, strings.Replace(two, "iiii", "xxxx", 1))})
	got := differences(t, a, b)
	if !slices.ContainsFunc(got, func(d string) bool { return strings.Contains(d, "section .cmdline 2 differs") }) {
		t.Errorf("differences: %q", got)
	}
	c := looked(t, bytesDevice{withUKI(t, one)})
	got = differences(t, a, c)
	if !slices.ContainsFunc(got, func(d string) bool { return strings.Contains(d, "section .cmdline 2 differs (5000 bytes and none)") }) {
		t.Errorf("differences: %q", got)
	}
}

// counting counts the bytes that are read.
type counting struct {
	strings.Reader
	n int64
}

func (c *counting) ReadAt(b []byte, at int64) (int, error) {
	c.n += int64(len(b))
	return c.Reader.ReadAt(b, at)
}

// TestDiffUKIOverlaps reads an image at most twice, however many of its sections
// span all of it.
func TestDiffUKIOverlaps(t *testing.T) {
	image := []byte(unifiedImage(t, "6.1.0-1", "quiet"))
	pe := int(binary.LittleEndian.Uint32(image[0x3c:]))
	table := pe + 24 + int(binary.LittleEndian.Uint16(image[pe+20:]))
	for i := range int(binary.LittleEndian.Uint16(image[pe+6:])) {
		h := image[table+40*i:]
		if name := string(bytes.TrimRight(h[:8], "\x00")); name == ".linux" {
			continue
		}
		binary.LittleEndian.PutUint32(h[8:], uint32(len(image))) // in memory
		binary.LittleEndian.PutUint32(h[16:], uint32(len(image)))
		binary.LittleEndian.PutUint32(h[20:], 0)
	}
	a := &counting{Reader: *strings.NewReader(string(image))}
	image[len(image)-1] ^= 1
	entry := func(r io.ReaderAt) *tree.Entry {
		return &tree.Entry{Path: "EFI/Linux/caros.efi", Mode: 0o100644, Size: int64(len(image)), Content: r}
	}
	c := comparer{emit: func(Difference) {}, bufA: make([]byte, 4096), bufB: make([]byte, 4096)}
	if err := c.unified(t.Context(), entry(a), entry(strings.NewReader(string(image)))); err != nil {
		t.Fatal(err)
	}
	if n := a.n; n == 0 || n > 2*int64(len(image)) {
		t.Errorf("of %d bytes %d were read", len(image), n)
	}
}

// TestCheckManyPrograms reports when not all programs were examined, and only then.
func TestCheckManyPrograms(t *testing.T) {
	for n, want := range map[int]int{maxFiles: 0, maxFiles + 1: 1} {
		programs := map[string]string{}
		for i := range n {
			programs[fmt.Sprintf("EFI/BOOT/%d.efi", i)] = "x"
		}
		d := looked(t, bytesDevice{bytesOf(t, compose(t, disk.Spec{
			Table: "gpt", Size: 40 << 20, Seed: []byte("seed"), Time: 1700000000,
			Partitions: []disk.Partition{{Name: "esp", Type: "esp", FS: "fat32", Size: bytesize.Partition{Bytes: 36 << 20}, Tree: files(t, programs)}},
		}))})
		ps, err := d.Check(t.Context())
		if err != nil || len(ps) != want || want > 0 && !strings.Contains(ps[0].Text, "only the first 500") {
			t.Errorf("%d programs: %v, %v", n, ps, err)
		}
	}
}

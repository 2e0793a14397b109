// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// run runs a tool of package u-boot-tools.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	tooltest.Find(t, name)
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "TZ=UTC", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestScript(t *testing.T) {
	for _, tt := range []struct{ text, name string }{
		{"setenv bootargs root=LABEL=CAROSROOT\nbootz ${kernel_addr_r}\n", "boot.scr"},
		{"x", ""},
		{strings.Repeat("echo #\n", 10000), "a name that has thirty-two chars"},
		{"odd", "a name that has more than thirty-two characters"},
	} {
		dir := t.TempDir()
		in, want, out := filepath.Join(dir, "in"), filepath.Join(dir, "want"), filepath.Join(dir, "out")
		if err := os.WriteFile(in, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "mkimage", "-A", "arm", "-O", "linux", "-T", "script", "-C", "none", "-n", tt.name, "-d", in, want)
		b, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		got := Script([]byte(tt.text), tt.name, 1700000000)
		if diff := cmp.Diff(got, b); diff != "" {
			t.Errorf("%.20q: got (-), mkimage (+):\n%s", tt.text, diff)
		}
		if err := os.WriteFile(want, got, 0o600); err != nil {
			t.Fatal(err)
		}
		list := run(t, "dumpimage", "-l", want)
		for _, w := range []string{"ARM Linux Script (uncompressed)", "Tue Nov 14 22:13:20 2023", fmt.Sprintf("Image 0: %d Bytes", len(tt.text))} {
			if !strings.Contains(list, w) {
				t.Errorf("dumpimage lacks %q:\n%s", w, list)
			}
		}
		run(t, "dumpimage", "-T", "script", "-p", "0", "-o", out, want)
		if b, err := os.ReadFile(out); err != nil || string(b[min(8, len(b)):]) != tt.text { // with the list of lengths
			t.Errorf("dumpimage gives back %d bytes, %v", len(b), err)
		}
	}
}

func TestExtlinux(t *testing.T) {
	got, err := Extlinux(Entry{
		Label: "caros", Timeout: 10, Linux: "/zImage", Initrd: "/initrd.img",
		FDT: "/sun7i-a20-lamobo-r1.dtb", Append: " console=ttyS0,115200 root=LABEL=CAROSROOT ",
	})
	want := `default caros
timeout 10

label caros
	linux /zImage
	initrd /initrd.img
	fdt /sun7i-a20-lamobo-r1.dtb
	append console=ttyS0,115200 root=LABEL=CAROSROOT
`
	if err != nil || got != want {
		t.Errorf("got %v\n%s", err, cmp.Diff(got, want))
	}
	got, err = Extlinux(Entry{Label: "a", Linux: "/Image"})
	if want := "default a\ntimeout 0\n\nlabel a\n\tlinux /Image\n"; err != nil || got != want {
		t.Errorf("got %v\n%s", err, cmp.Diff(got, want))
	}
	for _, e := range []Entry{
		{},
		{Label: "two words", Linux: "/a"},
		{Label: "a"},
		{Label: "a", Linux: "zImage"},
		{Label: "a", Linux: "/z", Initrd: "/an initrd"},
		{Label: "a", Linux: "/z", FDT: "/d\nappend evil"},
		{Label: "a", Linux: "/z", Append: "x\nlabel evil"},
		{Label: "a", Linux: "/z", Timeout: -1},
	} {
		if got, err := Extlinux(e); err == nil {
			t.Errorf("%+v was taken:\n%s", e, got)
		}
	}
}

// blob makes a first stage of n bytes and puts U-Boot proper after it.
func blob(n int, version byte, name string, proper []byte) []byte {
	b := bytes.Repeat([]byte{0xFF}, max(n, properAt))
	for i := range n {
		b[i] = byte(i * 7)
	}
	clear(b[:0x60])
	copy(b[4:], "eGON.BT0")
	binary.LittleEndian.PutUint32(b[12:], 0x5F0A6C39)
	binary.LittleEndian.PutUint32(b[16:], uint32(n))
	if version > 0 {
		copy(b[20:], "SPL")
		b[23] = version
	}
	if name != "" {
		binary.LittleEndian.PutUint32(b[32:], 0x2C)
		copy(b[0x2C:], name)
	}
	sum := uint32(0)
	for i := 0; i < n; i += 4 {
		sum += binary.LittleEndian.Uint32(b[i:])
	}
	binary.LittleEndian.PutUint32(b[12:], sum)
	return append(b, proper...)
}

// uImage makes U-Boot proper.
func uImage(os, kind byte, data string) []byte {
	b := Script([]byte(data), "U-Boot 2016.01", 1)
	b[28], b[30] = os, kind
	copy(b[4:8], "\x00\x00\x00\x00")
	binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[:64]))
	return b
}

func TestCheckSPL(t *testing.T) {
	proper := uImage(17, 5, strings.Repeat("proper", 1000))
	for _, tt := range []struct {
		name string
		b    []byte
		want SPL
		err  string
	}{
		{"as usual", blob(0x6000, 2, "sun7i-a20-lamobo-r1", proper), SPL{2, 0x6000, "sun7i-a20-lamobo-r1", UImage, 0x8000, "U-Boot 2016.01", true}, ""},
		{"long", blob(0xA000, 3, "", proper), SPL{3, 0xA000, "", UImage, 0xA000, "U-Boot 2016.01", true}, ""},
		{"2014", blob(0x5000, 0, "", proper), SPL{0, 0x5000, "", UImage, 0x8000, "U-Boot 2016.01", true}, ""},
		{"empty", nil, SPL{}, "no eGON.BT0"},
		{"no proper", blob(0x6000, 2, "x", nil), SPL{}, "U-Boot proper would be at 32768"},
		{"something else", blob(0x6000, 2, "x", make([]byte, 100)), SPL{}, "neither a uImage nor a FIT"},
		{"a kernel", blob(0x6000, 2, "x", uImage(5, 2, "vmlinuz")), SPL{}, "OS 5 and type 2"},
		{"trailing", blob(0x6000, 2, "x", append(slices.Clone(proper), 0)), SPL{}, "it says 6008"},
		{"truncated", blob(0x6000, 2, "x", proper[:len(proper)-1]), SPL{}, "it says 6008"},
		{"odd length", slices.Replace(blob(0x6000, 2, "x", proper), 16, 17, 1), SPL{}, "length of the first stage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CheckSPL(tt.b)
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got (-), want (+):\n%s", diff)
			}
			if (err != nil) != (tt.err != "") || err != nil && (!errors.Is(err, ErrSPL) || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestFlippedByte finds each changed byte.
func TestFlippedByte(t *testing.T) {
	b := blob(0x1000, 2, "sun8i-h3-nanopi-neo", uImage(17, 5, strings.Repeat("x", 100)))
	for i := range b {
		if i > 0x1100 && i < 0x7F00 {
			continue
		}
		b[i] ^= 0x10
		if _, err := CheckSPL(b); err == nil {
			t.Fatalf("byte %#x may be anything", i)
		}
		b[i] ^= 0x10
	}
}

// TestFIT checks made-up FIT images.
func TestFIT(t *testing.T) {
	inside, behind := testFIT(t, false), testFIT(t, true)
	for name, fit := range map[string][]byte{"inside": inside, "behind": behind} {
		got, err := CheckSPL(blob(0x8000, 2, "sun50i-a64-pine64", fit))
		if want := (SPL{2, 0x8000, "sun50i-a64-pine64", FIT, 0x8000, "a FIT", false}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		at := bytes.Index(fit, []byte("proper!"))
		fit[at] ^= 1
		if _, err := CheckSPL(blob(0x8000, 2, "", fit)); err == nil || !strings.Contains(err.Error(), "crc32 is") {
			t.Errorf("%s: changed data: %v", name, err)
		}
		if _, err := CheckSPL(blob(0x8000, 2, "", fit[:len(fit)-8])); err == nil {
			t.Errorf("%s: truncated FIT was taken", name)
		}
	}
}

// TestFITManySums: the work for a FIT's digests is bounded.
func TestFITManySums(t *testing.T) {
	data := make([]byte, 1<<20)
	for n, ok := range map[int]bool{1: true, 8: true, 1000: false} {
		_, err := checkFIT(hashedFIT(true, n, data))
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "sums of more than") {
			t.Errorf("%d sums: %v", n, err)
		}
	}
}

// testFIT is a device tree with one image and its hash; the data may follow it.
func testFIT(t testing.TB, behind bool) []byte {
	t.Helper()
	return hashedFIT(behind, 1, bytes.Repeat([]byte("proper!"), 100))
}

func hashedFIT(behind bool, hashes int, data []byte) []byte {
	var nodes, names []byte
	cell := func(v ...uint32) {
		for _, x := range v {
			nodes = binary.BigEndian.AppendUint32(nodes, x)
		}
	}
	pad := func() {
		for len(nodes)%4 != 0 {
			nodes = append(nodes, 0)
		}
	}
	begin := func(name string) { cell(1); nodes = append(append(nodes, name...), 0); pad() }
	prop := func(name string, value []byte) {
		cell(3, uint32(len(value)), uint32(len(names)))
		names = append(append(names, name...), 0)
		nodes = append(nodes, value...)
		pad()
	}
	u32 := func(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
	begin("")
	prop("description", []byte("a FIT\x00"))
	begin("images")
	begin("uboot")
	if behind {
		prop("data-offset", u32(0))
		prop("data-size", u32(len(data)))
	} else {
		prop("data", data)
	}
	for i := range hashes {
		begin(fmt.Sprintf("hash-%d", i))
		prop("algo", []byte("crc32\x00"))
		prop("value", u32(int(crc32.ChecksumIEEE(data))))
		cell(2)
	}
	cell(2, 2)
	begin("configurations")
	prop("default", []byte("config-1\x00"))
	cell(2, 2, 9)
	total := 40 + len(nodes) + len(names)
	b := append(u32(0xD00DFEED), slices.Concat(u32(total), u32(40), u32(40+len(nodes)), u32(28), u32(17), u32(16), u32(0), u32(len(names)), u32(len(nodes)), nodes, names)...)
	if behind {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		b = append(b, data...)
	}
	return b
}

// TestDebian checks the blobs of Debian's package u-boot-sunxi if they are
// unpacked: CAROSBUILD_UBOOT_SUNXI names the directory of boards.
func TestDebian(t *testing.T) {
	dir := os.Getenv("CAROSBUILD_UBOOT_SUNXI")
	if dir == "" {
		t.Skip("CAROSBUILD_UBOOT_SUNXI is not set")
	}
	for _, p := range glob(t, dir, "u-boot-sunxi-with-spl.bin") {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := CheckSPL(b)
		if err != nil || s.DeviceTree == "" || !s.Verified || !strings.HasPrefix(s.Name, "U-Boot 20") {
			t.Errorf("%s: %+v, %v", p, s, err)
		}
		for i := 0; i < len(b); i += 1 + len(b)/50 {
			b[i] ^= 1
			if _, err := CheckSPL(b); err == nil {
				t.Fatalf("%s: byte %#x may be anything", p, i)
			}
			b[i] ^= 1
		}
	}
	for _, p := range glob(t, dir, "u-boot-sunxi-with-spl.fit.itb") { // arm64: in two files
		first, err := os.ReadFile(filepath.Join(filepath.Dir(p), "sunxi-spl.bin"))
		if err != nil {
			t.Fatal(err)
		}
		fit, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := CheckSPL(append(first, fit...)); err != nil || s.Format != FIT || !strings.HasPrefix(s.DeviceTree, "sun50i") {
			t.Errorf("%s: %+v, %v", p, s, err)
		}
	}
}

func glob(t *testing.T, dir, name string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", name))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func FuzzCheckSPL(f *testing.F) {
	f.Add(blob(0x60, 2, "sun7i", nil), uImage(17, 5, "proper"))
	f.Add(blob(0x100, 2, "sun7i", nil), testFIT(f, false))
	f.Add(blob(0x100, 2, "sun7i", nil), testFIT(f, true))
	f.Fuzz(func(t *testing.T, first, proper []byte) {
		CheckSPL(first)
		CheckSPL(append(blob(0x100, 2, "sun50i", nil), proper...))
	})
}

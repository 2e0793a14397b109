// SPDX-License-Identifier: MPL-2.0

package grub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

const moduleDir = "/usr/lib/grub/i386-pc"

// shipped returns GRUB's own files.
func shipped(t *testing.T) (boot, core []byte) {
	t.Helper()
	mkimage, err := exec.LookPath("grub-mkimage")
	if err == nil {
		boot, err = os.ReadFile(moduleDir + "/boot.img")
	}
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("no GRUB here: %v", err)
	}
	dir := t.TempDir()
	early, err := EarlyConfig("CAROSESP")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "early.cfg"), []byte(early), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O", "i386-pc", "-d", moduleDir, "-p", "/grub", "-c", filepath.Join(dir, "early.cfg"), "-o", filepath.Join(dir, "core.img")}, Modules()...)
	if out, err := exec.CommandContext(t.Context(), mkimage, args...).CombinedOutput(); err != nil {
		t.Fatalf("grub-mkimage: %v\n%s", err, out)
	}
	if core, err = os.ReadFile(filepath.Join(dir, "core.img")); err != nil {
		t.Fatal(err)
	}
	return boot, core
}

// TestShipped patches the files that Debian ships: only the documented bytes may
// change.
func TestShipped(t *testing.T) {
	boot, core := shipped(t)
	b, err := BootSector(boot, 2048)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(boot[:440])
	copy(want[0x5C:], []byte{0, 8, 0, 0, 0, 0, 0, 0})
	want[0x66], want[0x67] = 0x90, 0x90
	if diff := cmp.Diff(want, b[:]); diff != "" {
		t.Errorf("boot sector (-want +got):\n%s", diff)
	}
	c, err := Core(core, 2048)
	if err != nil {
		t.Fatal(err)
	}
	want = bytes.Clone(core)
	copy(want[0x1F4:], []byte{1, 8, 0, 0, 0, 0, 0, 0})
	if !bytes.Equal(want, c) {
		t.Error("core.img differs in more than its block list")
	}
}

func TestImageErrors(t *testing.T) {
	boot := make([]byte, 512)
	boot[bootCore], boot[bootDrive], boot[bootCheck], boot[510], boot[511] = 1, 0xFF, 0xEB, 0x55, 0xAA
	core := make([]byte, 1300)
	le := binary.LittleEndian
	le.PutUint64(core[coreBlocks:], 2)
	le.PutUint16(core[coreLength:], 2)
	le.PutUint16(core[coreSegment:], loadSegment)
	if _, err := BootSector(boot, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Core(core, 1); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{bootCore, bootDrive, bootCheck, 510} {
		bad := bytes.Clone(boot)
		bad[at] ^= 0x40
		if _, err := BootSector(bad, 1); !errors.Is(err, ErrImage) {
			t.Errorf("boot.img changed at %#x: got %v", at, err)
		}
	}
	for _, at := range []int{coreBlocks, coreLength, coreSegment} {
		bad := bytes.Clone(core)
		bad[at] ^= 0x40
		if _, err := Core(bad, 1); !errors.Is(err, ErrImage) {
			t.Errorf("core.img changed at %#x: got %v", at, err)
		}
	}
	for _, n := range []int{0, 511, 513} {
		if _, err := BootSector(make([]byte, n), 1); !errors.Is(err, ErrImage) {
			t.Errorf("boot.img of %d bytes: got %v", n, err)
		}
		if _, err := Core(make([]byte, n), 1); !errors.Is(err, ErrImage) {
			t.Errorf("core.img of %d bytes: got %v", n, err)
		}
	}
}

func TestConfig(t *testing.T) {
	m := Menu{Title: "CarOS 1's", Kernel: "/vmlinuz", Initrd: "/initrd.img", Cmdline: "root=LABEL=CAROSROOT  ro x=$y;z", Timeout: 3}
	got, err := Config(m)
	want := `serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=3

menuentry 'CarOS 1'\''s' {
	linux /vmlinuz root=LABEL=CAROSROOT ro 'x=$y;z'
	initrd /initrd.img
}
`
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("grub.cfg, %v (-want +got):\n%s", err, diff)
	}
	got, err = LoaderEntry(m)
	want = "title CarOS 1's\nlinux /vmlinuz\ninitrd /initrd.img\noptions root=LABEL=CAROSROOT  ro x=$y;z\n"
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("entry, %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff("default caros.conf\ntimeout 3\n", LoaderConfig(m, "caros.conf")); diff != "" {
		t.Errorf("loader.conf (-want +got):\n%s", diff)
	}
	got, err = EarlyConfig("CAROSESP")
	if diff := cmp.Diff("search.fs_label CAROSESP root\nset prefix=($root)/grub\n", got); diff != "" || err != nil {
		t.Errorf("early.cfg, %v (-want +got):\n%s", err, diff)
	}
}

// TestScriptCheck has GRUB's own parser read the output of quote.
func TestScriptCheck(t *testing.T) {
	check := tooltest.Find(t, "grub-script-check")
	text, err := Config(Menu{Title: `a "b" 'c' {$d} \`, Kernel: "/k", Cmdline: `x="a b" y='c' z=${q} } & | < \`})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), check)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v\n%s\n%s", err, out, text)
	}
}

func TestMenuErrors(t *testing.T) {
	for _, m := range []Menu{
		{},
		{Title: "a"},
		{Title: "a", Kernel: "vmlinuz"},
		{Title: "a", Kernel: "/vm linuz"},
		{Title: "a\nb", Kernel: "/v"},
		{Title: "a", Kernel: "/v", Cmdline: "x\ny"},
		{Title: "a", Kernel: "/v", Initrd: "i"},
		{Title: "a", Kernel: "/v", Timeout: -1},
	} {
		if got, err := Config(m); err == nil {
			t.Errorf("%+v: got %q", m, got)
		}
		if got, err := LoaderEntry(m); err == nil {
			t.Errorf("%+v: got %q", m, got)
		}
	}
	for _, label := range []string{"", "a b", "a;b", "$a"} {
		if got, err := EarlyConfig(label); err == nil {
			t.Errorf("label %q: got %q", label, got)
		}
	}
}

// loader is the boot sector of a kind of GRUB that has the number of the first
// sector at offset at.
func loader(at int, lba uint32) []byte {
	b := make([]byte, sectorSize)
	copy(b[0x90:], loadsSector)
	binary.LittleEndian.PutUint16(b[0x93:], uint16(codeAddress+at))
	copy(b[0x180:], "GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error")
	binary.LittleEndian.PutUint32(b[at:], lba)
	return b
}

// TestFindKinds finds what the boot code loads: that of hard disks, of discs that
// are also hard disks, and of GRUB Legacy.
func TestFindKinds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		at, list  int
		entry     []byte // 3 sectors from 41 on
		legacy    bool
		wantShort string // when the disk ends before them
	}{
		{"hard disk", bootCore, coreBlocks, []byte{41, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x20, 0x08}, false, "sectors 41 to 43"},
		{"hybrid disc", hybridCore, coreBlocks, []byte{41, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x20, 0x08}, false, "sectors 41 to 43"},
		{"GRUB Legacy", legacyCore, legacyBlocks, []byte{41, 0, 0, 0, 3, 0, 0x20, 0x02}, true, "sectors 41 to 43"},
	} {
		code := loader(tt.at, 40)
		disk := make([]byte, 64*sectorSize)
		copy(disk[40*sectorSize+tt.list:], tt.entry)
		f, problems := Find(code, bytes.NewReader(disk), int64(len(disk)))
		if want := (Found{40 * sectorSize, 4 * sectorSize, tt.legacy}); f == nil || *f != want || len(problems) > 0 {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, f, problems, want)
		}
		_, problems = Find(code, bytes.NewReader(disk), 42*sectorSize)
		if len(problems) != 1 || !strings.Contains(problems[0].Text, tt.wantShort) {
			t.Errorf("%s on a disk that is too small: %v", tt.name, problems)
		}
	}
}

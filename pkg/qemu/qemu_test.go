// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tool(t *testing.T, name string) string {
	t.Helper()
	p := program(name)
	if p == "" {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return p
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// made is a disk made by foreign tools: a table, and a FAT partition with files.
func made(t *testing.T, table, fat string, files ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	disk, part := filepath.Join(dir, "disk"), filepath.Join(dir, "part")
	for file, size := range map[string]int64{disk: 64 << 20, part: 48 << 20} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "mkfs.fat", "-F", fat, part)
	for _, f := range files {
		at := ""
		for _, d := range strings.Split(filepath.Dir(f), "/") {
			at += "/" + d
			_ = exec.CommandContext(t.Context(), tool(t, "mmd"), "-i", part, "-D", "s", "::"+at).Run() // may be there
		}
		run(t, "mcopy", "-i", part, "/dev/null", "::/"+f)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "sfdisk"), "-q", disk)
	typ := "type=U"
	if table == "dos" {
		typ = "type=c, bootable"
	}
	cmd.Stdin = strings.NewReader("label: " + table + "\nstart=2048, size=98304, " + typ + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[1<<20:], p)
	return b
}

func detect(t *testing.T, b []byte) Facts {
	t.Helper()
	f, err := Detect(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDetect(t *testing.T) {
	many := []string{"EFI/BOOT/BOOTX64.EFI"}
	for i := range 70 { // more entries than fit into a cluster
		many = append(many, "EFI/"+string(rune('a'+i%26))+strings.Repeat("x", i/26)+".txt")
	}
	for _, tt := range []struct {
		name, table, fat string
		files            []string
		change           func(b []byte)
		want             Facts
	}{
		{name: "nothing", table: "gpt", fat: "32"},
		{name: "EFI", table: "gpt", fat: "32", files: many, want: Facts{EFI: []string{"x64"}}},
		{name: "EFI on FAT16", table: "gpt", fat: "16", files: []string{"EFI/BOOT/bootaa64.efi"}, want: Facts{EFI: []string{"aa64"}}},
		{name: "EFI, MBR", table: "dos", fat: "32", files: []string{"efi/boot/BOOTAA64.EFI", "efi/boot/BOOTX64.EFI"}, want: Facts{EFI: []string{"x64", "aa64"}}},
		{name: "a directory of that name", table: "gpt", fat: "32", files: []string{"EFI/BOOT/BOOTX64.EFI/x"}},
		{name: "BIOS", table: "gpt", fat: "32", change: func(b []byte) { b[0] = 0xEB }, want: Facts{BIOS: true}},
		{name: "board", table: "dos", fat: "32", change: func(b []byte) { copy(b[8192:], boardHeader("sun8i-h3-nanopi-neo")) }, want: Facts{Board: "sun8i-h3-nanopi-neo"}},
		{name: "old board", table: "dos", fat: "32", change: func(b []byte) { copy(b[8192:], boardHeader("")[:20]) }, want: Facts{Board: "unknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := made(t, tt.table, tt.fat, tt.files...)
			if tt.change != nil {
				tt.change(b)
			}
			tt.want.Size = int64(len(b))
			if d := cmp.Diff(tt.want, detect(t, b)); d != "" {
				t.Errorf("facts (-want +got):\n%s", d)
			}
		})
	}
}

func boardHeader(name string) []byte {
	b := make([]byte, 96)
	copy(b[4:], "eGON.BT0")
	copy(b[20:], "SPL\x02")
	binary.LittleEndian.PutUint32(b[32:], 0x2C)
	copy(b[0x2C:], name)
	return b
}

// FuzzDetect: no disk causes a panic or takes long.
func FuzzDetect(f *testing.F) {
	mbr := make([]byte, 4096)
	mbr[450], mbr[454], mbr[510], mbr[511] = 0x0C, 1, 0x55, 0xAA
	copy(mbr[512:], "\xEB\x58\x90mkfs.fat\x00\x02\x01\x01\x00\x01\x10\x00\x07\x00\xF8\x01\x00")
	mbr[1022], mbr[1023] = 0x55, 0xAA
	f.Add(mbr)
	gpt := slices.Clone(mbr)
	gpt[450] = 0xEE
	copy(gpt[512:], "EFI PART")
	gpt[512+72], gpt[512+80], gpt[512+84] = 2, 4, 128
	f.Add(gpt)
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := Detect(bytes.NewReader(b), int64(len(b)))
		if err == nil && facts.Bootable() != (facts.BIOS || len(facts.EFI) > 0 || facts.Board != "") {
			t.Error(facts)
		}
	})
}

func TestPlan(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name string
		f    Facts
		o    Options
		want string // the command line, or an error
	}{
		{"BIOS before EFI", Facts{Size: gib, BIOS: true, EFI: []string{"x64"}}, Options{}, "qemu-system-x86_64 -machine q35 -cpu max -m 1024 -smp 1 -display none -no-reboot -nodefaults " +
			"-device virtio-rng-pci -device ich9-ahci,id=sata9 -device ide-hd,drive=d0,bus=sata9.0,bootindex=1 -netdev user,id=n0 -device vmxnet3,netdev=n0,romfile= " +
			"-accel tcg -serial stdio -monitor none -drive id=d0,if=none,format=qcow2,cache=unsafe,file=o,,v"},
		{"EFI asked for", Facts{Size: gib, BIOS: true, EFI: []string{"x64"}}, Options{Firmware: "efi", Memory: 2 * gib, CPUs: 2, Bus: "virtio"}, "qemu-system-x86_64 -machine q35 -cpu max -m 2048 -smp 2 " +
			"-display none -no-reboot -nodefaults -device virtio-rng-pci -device virtio-blk-pci,drive=d0,bootindex=1 -netdev user,id=n0 -device vmxnet3,netdev=n0,romfile= -accel tcg -serial stdio -monitor none " +
			"-drive id=d0,if=none,format=qcow2,cache=unsafe,file=o,,v -drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd -drive if=pflash,unit=1,format=raw,file=vars"},
		{"ARM", Facts{Size: gib, EFI: []string{"aa64"}}, Options{}, "qemu-system-aarch64 -machine virt -cpu cortex-a72 -m 1024 -smp 1 -display none -no-reboot -nodefaults -device virtio-rng-pci " +
			"-device virtio-blk-pci,drive=d0,bootindex=1 -netdev user,id=n0 -device virtio-net-pci,netdev=n0,romfile= -accel tcg -serial stdio -monitor none " +
			"-drive id=d0,if=none,format=qcow2,cache=unsafe,file=o,,v -drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd -drive if=pflash,unit=1,format=raw,file=vars"},
		{"board", Facts{Size: gib + 1, Board: "sun8i-h3-orangepi-pc"}, Options{}, "qemu-system-arm -machine orangepi-pc -display none -no-reboot -nic user -accel tcg -serial stdio -monitor none -drive if=sd,format=qcow2,cache=unsafe,file=o,,v"},
		{"A20", Facts{Size: gib, Board: "sun7i-a20-lamobo-r1"}, Options{}, "qemu-system-arm -machine cubieboard -display none -no-reboot -nic user -accel tcg -serial stdio -monitor none -drive if=sd,format=qcow2,cache=unsafe,file=o,,v"},
		{"a disc and an empty disk", Facts{Size: gib, Disc: &Facts{BIOS: true}, More: 1}, Options{Bus: "pvscsi"}, "qemu-system-x86_64 -machine pc -cpu max -m 1024 -smp 1 -display none -no-reboot -nodefaults " +
			"-device virtio-rng-pci -device pvscsi,id=s0 -device scsi-hd,drive=d0,bus=s0.0,bootindex=1 -device ide-cd,drive=cd0,bus=ide.1,bootindex=2 -device scsi-hd,drive=d1,bus=s0.0,scsi-id=1 " +
			"-netdev user,id=n0 -device vmxnet3,netdev=n0,romfile= -accel tcg -serial stdio -monitor none -drive id=d0,if=none,format=qcow2,cache=unsafe,file=o,,v " +
			"-drive id=cd0,if=none,readonly=on,format=qcow2,cache=unsafe,file=cd -drive id=d1,if=none,format=qcow2,cache=unsafe,file=more"},
		{"a disc that nothing starts", Facts{Disc: &Facts{}}, Options{}, "nothing that a machine can boot"},
		{"too many disks", Facts{BIOS: true, More: 2}, Options{Bus: "ide"}, "2 further disks: bus ide has room for 1"},
		{"a disc for ARM", Facts{Disc: &Facts{EFI: []string{"aa64"}}}, Options{}, "the ARM machine has one disk and no CD drive"},
		{"unknown board", Facts{Board: "sun50i-a64"}, Options{}, "no QEMU machine is known for the board sun50i-a64"},
		{"nothing", Facts{}, Options{}, "nothing that a machine can boot"},
		{"no EFI", Facts{BIOS: true}, Options{Firmware: "efi"}, "it has no EFI loader"},
		{"no BIOS", Facts{EFI: []string{"x64"}}, Options{Firmware: "bios"}, "no boot code for a BIOS"},
		{"foreign EFI", Facts{EFI: []string{"arm"}}, Options{}, "no machine is known for EFI loaders of arm only"},
		{"bus", Facts{BIOS: true}, Options{Bus: "usb"}, `disk bus "usb" is not one of ahci`},
		{"firmware", Facts{BIOS: true}, Options{Firmware: "uboot"}, `firmware "uboot" is neither`},
		{"EFI and pvscsi", Facts{EFI: []string{"x64"}}, Options{Bus: "pvscsi"}, "no UEFI firmware for QEMU reads disks on bus pvscsi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Plan(tt.f, tt.o)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			got := m.Program + " " + strings.Join(m.Arguments([]string{"o,v", "cd", "more"}, "vars", TCG, false), " ")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("command (-want +got):\n%s", d)
			}
		})
	}
	m, err := Plan(Facts{Size: gib + 1, Board: "sun8i-h3-x"}, Options{})
	if err != nil || m.DiskSize != 2*gib {
		t.Errorf("size of a card: %d, %v", m.DiskSize, err)
	}
	if got := strings.Join(m.Arguments([]string{"o"}, "", TCG, true), " "); !strings.Contains(got, "-serial mon:stdio") || strings.Contains(got, "-monitor") {
		t.Errorf("on a terminal: %s", got)
	}
}

// session is a run with the probe's disk: it prints 64, and then nothing.
func session(t *testing.T) Session {
	t.Helper()
	tool(t, "qemu-system-x86_64")
	tool(t, "qemu-img")
	disk := make([]byte, 1<<20)
	copy(disk, probe)
	path := filepath.Join(t.TempDir(), "p,r:o b.raw")
	if err := os.WriteFile(path, disk, 0o400); err != nil {
		t.Fatal(err)
	}
	m, err := Plan(detect(t, disk), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Session{Machine: m, Disk: Disk{Path: path, Format: "raw"}, Dir: t.TempDir(), Accel: TCG}
}

func expect(s ...string) (out []Expectation) {
	for _, p := range s {
		out = append(out, Expectation{Pattern: regexp.MustCompile(p), Within: time.Minute})
	}
	return out
}

func TestExpect(t *testing.T) {
	s := session(t)
	var lines []string
	var log bytes.Buffer
	s.Console = &log
	if _, err := s.Expect(t.Context(), expect("^6", "4$"), func(l string) { lines = append(lines, l) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "64") {
		t.Errorf("log %q", log.String())
	}
	// The same disk in the middle of another file.
	b, err := os.ReadFile(s.Disk.Path)
	if err != nil {
		t.Fatal(err)
	}
	s.Disk.Path = filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(s.Disk.Path, slices.Concat(make([]byte, 1536), b, []byte("behind")), 0o400); err != nil {
		t.Fatal(err)
	}
	s.Disk.Offset, s.Disk.Length, s.Dir = 1536, int64(len(b)), t.TempDir()
	if _, err := s.Expect(t.Context(), expect("64"), nil); err != nil {
		t.Error(err)
	}
	s.Dir, s.Console = t.TempDir(), fullDisk{}
	var boot *ConsoleError
	if _, err := s.Expect(t.Context(), expect("64"), nil); !errors.Is(err, syscall.ENOSPC) || asConsole(err, &boot) {
		t.Errorf("a log that cannot be written: %v", err)
	}
	s.Dir, s.Console = t.TempDir(), nil
	want := expect("64", "65")
	want[1].Within = 200 * time.Millisecond
	spent, err := s.Expect(t.Context(), want, nil)
	var c *ConsoleError
	if !asConsole(err, &c) || c.Waited != "65" || !strings.Contains(c.Reason, "not within") || !slices.Contains(c.Console, "64") {
		t.Errorf("got %v %+v", err, c)
	}
	if spent.Machine <= 0 || spent.Machine > spent.Wall {
		t.Errorf("spent %+v", spent)
	}
}

// fullDisk is a log that cannot be written.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func asConsole(err error, c **ConsoleError) bool {
	e, ok := err.(*ConsoleError)
	*c = e
	return ok
}

// still is a clock that does not advance.
func still() Spent { return Spent{} }

func TestConsole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		want   []Expectation
		text   []string
		left   int
		reason string
		last   []string
	}{
		{"in pieces", expect("login:"), []string{"Debian\r\nho", "st log", "in: "}, 0, "", []string{"Debian", "host login: "}},
		{"colours", expect("^ok$"), []string{"\x1b[0;1;32mo", "k\x1b[0m\n"}, 0, "", []string{"ok"}},
		{"rewritten line", expect("^done"), []string{"50 %\rdone\n"}, 0, "", []string{"done"}},
		{"one prompt is one", expect("login:", "login:"), []string{"host login: ", ""}, 1, "", []string{"host login: "}},
		{"two on a line", expect("a", "b"), []string{"a b\n"}, 0, "", []string{"a b"}},
		{"wrong order", expect("b", "a"), []string{"a b\n"}, 1, "", []string{"a b"}},
		{"panic", expect("login:"), []string{"[1.0] Kernel panic - not syncing: VFS\nmore"}, 1, "[1.0] Kernel panic - not syncing: VFS", []string{"[1.0] Kernel panic - not syncing: VFS"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &console{want: tt.want, clock: still}
			reason := ""
			for _, s := range tt.text {
				if reason = c.add(s); reason != "" {
					break
				}
			}
			if reason != tt.reason || len(c.want) != tt.left {
				t.Errorf("reason %q, %d left", reason, len(c.want))
			}
			if d := cmp.Diff(tt.last, c.recent()); d != "" {
				t.Errorf("last lines (-want +got):\n%s", d)
			}
		})
	}
	c := &console{want: expect("never"), clock: still}
	for range 1000 {
		c.add(strings.Repeat("x", 1000))
		c.add("\n")
	}
	c.add(strings.Repeat("y", 1<<20))
	if len(c.last) > 2*shown || len(c.line) > 64<<10 || len(c.recent()) > shown {
		t.Errorf("%d lines, %d bytes kept", len(c.last), len(c.line))
	}
}

// TestProbe: the probe works with TCG, and the binary matches its source.
func TestProbe(t *testing.T) {
	s := session(t)
	why, err := tryProbe(t.Context(), s.Machine, t.TempDir(), TCG, time.Minute)
	if why != "" || err != nil {
		t.Errorf("%s %v", why, err)
	}
	if why, err = tryProbe(t.Context(), s.Machine, t.TempDir(), "nothing-such", time.Minute); !strings.Contains(why, "QEMU failed with it") || err != nil {
		t.Errorf("%s %v", why, err)
	}
	if accel, why, err := Accelerator(t.Context(), s.Machine, t.TempDir()); err != nil || accel != KVM && accel != TCG || accel == KVM && why != "" {
		t.Errorf("%s %s %v", accel, why, err)
	} else {
		t.Logf("%s %s", accel, why)
	}
	tool(t, "as")
	o, bin := filepath.Join(t.TempDir(), "o"), filepath.Join(t.TempDir(), "bin")
	run(t, "as", "--64", "-o", o, "probe/probe.s")
	run(t, "ld", "-m", "elf_x86_64", "--oformat", "binary", "-Ttext", "0", "-o", bin, o)
	got, err := os.ReadFile(bin)
	if err != nil || !bytes.Equal(got, probe) {
		t.Errorf("probe.s assembles to something else, %v", err)
	}
}

func TestMissing(t *testing.T) {
	s := session(t)
	s.Machine.Program = "qemu-system-none"
	err := s.Run(t.Context())
	if m, ok := IsMissing(err); !ok || m.Package != "qemu-system-x86" {
		t.Errorf("got %v", err)
	}
	s = session(t)
	s.Machine.Firmware = &Firmware{Code: "/nonexistent", Package: "ovmf"}
	if m, ok := IsMissing(s.Run(t.Context())); !ok || m.Package != "ovmf" {
		t.Errorf("got %v", m)
	}
}

// A KVM that lets one guest succeed and not the next does not work.
func TestProbeAll(t *testing.T) {
	for _, tt := range []struct {
		works int
		err   error
		want  string
		calls int
	}{
		{works: 9, calls: 3},
		{works: 0, want: "it hangs", calls: 1},
		{works: 2, want: "it hangs, although it worked 2 times before", calls: 3},
		{works: 9, err: io.ErrUnexpectedEOF, calls: 1},
	} {
		calls := 0
		got, err := probeAll(3, func() (string, error) {
			calls++
			if calls > tt.works {
				return "it hangs", nil
			}
			return "", tt.err
		})
		if got != tt.want || err != tt.err || calls != tt.calls {
			t.Errorf("%+v: %q, %v after %d calls", tt, got, err, calls)
		}
	}
}

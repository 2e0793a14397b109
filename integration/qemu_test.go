// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is a virtual machine without KVM that boots a disk image, which is
// never written to.
type machine struct {
	image, format string
	board         string   // orangepi-pc, cubieboard or virt; "" is a PC
	firmware      string   // bios or uefi
	disk          string   // pvscsi, ahci or virtio
	size          string   // of the disk that the machine sees
	serial        string   // of the product, which the guest can read
	qemu          []string // program and first arguments for a cubieboard
	more          []string // further arguments for a PC
}

// firmware files of Debian's package ovmf.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// command is QEMU with the arguments for the machine.
func (m machine) command(t *testing.T, w *world) (qemu string, args []string) {
	overlay := filepath.Join(t.TempDir(), "overlay.qcow2")
	w.ok(t, tool(t, "qemu-img"), "create", "-q", "-f", "qcow2", "-F", m.format, "-b", m.image, overlay, m.size)
	switch m.board {
	case "orangepi-pc":
		return tool(t, "qemu-system-arm"), orangePi(overlay)
	case "cubieboard":
		return m.qemu[0], append(slices.Clone(m.qemu[1:]), cubieboard(overlay)...)
	case "virt":
		return tool(t, "qemu-system-aarch64"), virt(t, overlay)
	}
	return tool(t, "qemu-system-x86_64"), m.arguments(t, overlay)
}

func (m machine) arguments(t *testing.T, overlay string) []string {
	args := []string{
		"-machine", "q35", "-cpu", "max", "-accel", "tcg", "-m", "1024", "-smp", "1", "-nodefaults", "-display", "none",
		"-monitor", "none", "-serial", "stdio", "-device", "virtio-rng-pci", "-smbios", "type=1,serial=" + m.serial,
		"-drive", "id=d0,if=none,format=qcow2,cache=unsafe,file=" + overlay,
		"-netdev", "user,id=n0,restrict=on", "-device", "vmxnet3,netdev=n0,mac=00:50:56:01:02:03,romfile=",
	}
	switch m.disk {
	case "pvscsi":
		args = append(args, "-device", "pvscsi,id=s0", "-device", "scsi-hd,drive=d0,bus=s0.0,bootindex=1")
	case "ahci":
		args = append(args, "-device", "ich9-ahci,id=sata9", "-device", "ide-hd,drive=d0,bus=sata9.0,bootindex=1")
	case "virtio":
		args = append(args, "-device", "virtio-blk-pci,drive=d0,bootindex=1")
	}
	if m.firmware == "uefi" {
		args = append(args, flash(t, ovmfCode, ovmfVars)...)
	}
	return append(args, m.more...)
}

// flash are the arguments for UEFI firmware with variables of its own.
func flash(t *testing.T, code, vars string) []string {
	data, err := os.ReadFile(vars)
	if err != nil {
		missing(t, "no UEFI firmware (packages ovmf, qemu-efi-aarch64): "+err.Error())
	}
	own := filepath.Join(t.TempDir(), "vars.fd")
	if err := os.WriteFile(own, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,unit=1,format=raw,file=" + own}
}

// hopeless ends a boot at once: nothing good comes after it.
var hopeless = regexp.MustCompile(`Kernel panic - not syncing|emergency mode|ALERT!.*does not exist|error: no such (device|partition)|` +
	`No bootable device|Failed to load image|Entering rescue mode|UEFI Interactive Shell|No init found|Unable to mount root fs`)

// off is what a kernel says last. Not every board can switch itself off.
var off = regexp.MustCompile(`reboot: (Power down|System halted)`)

var ansi = regexp.MustCompile("\x1b\\[[0-9;?=]*[A-Za-z]")

// boot starts the machine and returns the reports (lines with BOOT-REPORT)
// that it prints until it is off.
func (m machine) boot(t *testing.T, w *world, within time.Duration) []map[string]string {
	t.Helper()
	var reports []map[string]string
	login := ""
	err := m.run(t, w, within, func(line string) bool {
		if strings.Contains(line, " login: ") {
			login = "yes"
		}
		if _, report, ok := strings.Cut(line, "BOOT-REPORT "); ok {
			fields := map[string]string{"login": login}
			for f := range strings.FieldsSeq(report) {
				k, v, _ := strings.Cut(f, "=")
				fields[k] = v
			}
			reports = append(reports, fields)
		}
		return off.MatchString(line)
	})
	if err != nil || len(reports) == 0 {
		t.Fatalf("%d reports, and %v", len(reports), err)
	}
	return reports
}

// run starts the machine and shows each line of its console to done, until that
// returns true or the machine ends by itself. The error has the last lines.
func (m machine) run(t *testing.T, w *world, within time.Duration, done func(line string) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	qemu, args := m.command(t, w)
	cmd := w.command(ctx, qemu, args...)
	r, wr := io.Pipe()
	cmd.Stdout, cmd.Stderr = wr, wr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		wr.Close()
		ended <- err
	}()
	var console []string
	reached := false
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := ansi.ReplaceAllString(sc.Text(), "")
		console = append(console, line)
		if reached = reached || done(line); reached || hopeless.MatchString(line) {
			cancel()
		}
	}
	err := <-ended
	if err == nil || reached {
		return nil
	}
	return fmt.Errorf("the machine ended with %w (%v); the console's last lines:\n%s", err, ctx.Err(),
		strings.Join(console[max(0, len(console)-60):], "\n"))
}

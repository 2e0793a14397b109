// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build integration

package integration

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// machine is a virtual machine without KVM that boots a disk image, which is
// never written to.
type machine struct {
	image, format string
	firmware      string // bios or uefi
	disk          string // pvscsi, ahci or virtio
	size          string // of the disk that the machine sees
	serial        string // of the product, which the guest can read
}

// firmware files of Debian's package ovmf.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

func (m machine) arguments(t *testing.T, w *world) []string {
	dir := t.TempDir()
	overlay := filepath.Join(dir, "overlay.qcow2")
	w.ok(t, tool(t, "qemu-img"), "create", "-q", "-f", "qcow2", "-F", m.format, "-b", m.image, overlay, m.size)
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
		vars := filepath.Join(dir, "vars.fd")
		data, err := os.ReadFile(ovmfVars)
		if err != nil {
			missing(t, "no UEFI firmware (package ovmf): "+err.Error())
		}
		if err := os.WriteFile(vars, data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+ovmfCode, "-drive", "if=pflash,unit=1,format=raw,file="+vars)
	}
	return args
}

// hopeless ends a boot at once: nothing good comes after it.
var hopeless = regexp.MustCompile(`Kernel panic - not syncing|emergency mode|ALERT!.*does not exist|error: no such (device|partition)|` +
	`No bootable device|Failed to load image|Entering rescue mode|UEFI Interactive Shell|No init found|Unable to mount root fs`)

var ansi = regexp.MustCompile("\x1b\\[[0-9;?=]*[A-Za-z]")

// boot starts the machine and returns the reports (lines with BOOT-REPORT)
// that it prints until it powers itself off.
func (m machine) boot(t *testing.T, w *world, within time.Duration) []map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := w.command(ctx, tool(t, "qemu-system-x86_64"), m.arguments(t, w)...)
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
	var reports []map[string]string
	var console []string
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := ansi.ReplaceAllString(sc.Text(), "")
		console = append(console, line)
		if hopeless.MatchString(line) {
			cancel()
		}
		if _, report, ok := strings.Cut(line, "BOOT-REPORT "); ok {
			fields := map[string]string{}
			for f := range strings.FieldsSeq(report) {
				k, v, _ := strings.Cut(f, "=")
				fields[k] = v
			}
			reports = append(reports, fields)
		}
	}
	err := <-ended
	if err != nil || len(reports) == 0 {
		t.Fatalf("the machine ended with %v (%v) and %d reports; the console's last lines:\n%s", err, ctx.Err(), len(reports),
			strings.Join(console[max(0, len(console)-60):], "\n"))
	}
	return reports
}

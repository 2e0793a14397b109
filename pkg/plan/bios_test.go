// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
)

// A stage without GRUB says which package it lacks.
func TestBIOSWithoutGRUB(t *testing.T) {
	d := &decl.Disk{ID: "web", Stage: "s", BIOS: &decl.BIOS{}}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(needsGRUB(d), "/usr/lib/grub/i386-pc/boot.img", filepath.Join(root, "boot.img"))
	run := func() string {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script+"echo went on")
		cmd.Env = []string{"PATH=" + root}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if got, want := run(), "stage s has no /usr/lib/grub/i386-pc, which <bios> of disk web needs: install the package grub-pc-bin in it (Debian and Ubuntu)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.WriteFile(filepath.Join(root, "boot.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(); !strings.Contains(got, "grub-mkimage") || !strings.Contains(got, "grub-common") || strings.Contains(got, "went on") {
		t.Errorf("got %q", got)
	}
}

// A <bios> that names no stage means the disk's.
func TestBIOSOfTheDisksStage(t *testing.T) {
	d := decltest.Parse(t, `<buildstage id="s"><action>FROM debian:12</action></buildstage>
		<disk id="d" stage="s" size="1G"><bios/><partition fs="fat32" label="BOOT" size="64M"><loader/></partition></disk>`)
	stages, with, err := DiskStages(d, d.Disks[0])
	if err != nil || len(stages) != 2 || with.Stage("d.bios").Prestage != "s" {
		t.Errorf("%v, %v", stages, err)
	}
}

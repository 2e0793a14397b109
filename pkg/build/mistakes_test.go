// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// What is wrong with a disk is shown under the value that would mend it; what no
// value would mend is a failure of the disk.
func TestDiskMistakesHavePlaces(t *testing.T) {
	big := files(t, map[string]string{"data": strings.Repeat("data", 10<<20)})
	odd := files(t, map[string]string{"a": "x"})
	odd.tree.Entries[1].Xattrs = []tree.Xattr{{Name: "user.big", Value: make([]byte, 60000)}}
	for _, tt := range []struct {
		name, text, mark, summary, hint string
		root                            heldRoot
	}{
		{
			"a partition", `<disk id="d"><partition name="root" fs="ext4" size="8M" path="/"/></disk>`, "8M",
			`disk d: partition "root" needs 44.8 MiB, has 8 MiB`, `size="45M" would do`, big,
		},
		{
			"the rest of the disk", `<disk id="d" size="16M"><partition name="root" fs="ext4" size="rest" path="/"/></disk>`, "16M",
			"disk d: the disk needs 45.8 MiB, has 16 MiB", `size="46M" would do`, big,
		},
		{
			"partitions that fit", `<disk id="d" size="16M"><partition name="root" fs="ext4" size="fit" path="/"/></disk>`, "16M",
			"disk d: the disk needs 47 MiB, has 16 MiB", `size="47M" would do`, big,
		},
		{"path", `<disk id="d"><partition fs="ext4" size="fit" path="/nothing"/></disk>`, "/nothing", "stage s: look up /nothing", "", big},
		{"from", `<disk id="d"><partition size="fit" from="/nothing"/></disk>`, "/nothing", "stage s: look up /nothing", "", big},
		{
			"a name of the declaration's", `<disk id="d"><partition fs="fat32" size="64M"><file to="/a:b">x</file></partition></disk>`, "/a:b",
			"disk d: partition 1: /a:b: name not allowed on FAT", "", odd,
		},
		{"content", `<disk id="d"><partition name="root" fs="ext4" size="fit" path="/"/></disk>`, "", `disk d: partition "root": ext4: /a: `, "", odd},
	} {
		_, err := composed(t, tt.text, map[string]RootFS{"s": tt.root})
		var de *decl.FindingsError
		if tt.mark == "" {
			if err == nil || errors.As(err, &de) || !strings.HasPrefix(err.Error(), tt.summary) {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		if !errors.As(err, &de) || len(de.Findings) != 1 {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		f := de.Findings[0]
		col := f.Span.Col - 1 - len("<redo>")
		if col < 0 || tt.text[col:col+f.Span.Len] != tt.mark || !strings.HasPrefix(f.Summary, tt.summary) || f.Hint != tt.hint {
			t.Errorf("%s: got %+v", tt.name, f)
		}
	}
}

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
	d := parse(t, `<buildstage id="s"><action>FROM debian:12</action></buildstage>
		<disk id="d" stage="s" size="1G"><bios/><partition fs="fat32" label="BOOT" size="64M"><loader/></partition></disk>`)
	stages, err := DiskStages(d, d.Disks[0])
	if err != nil || len(stages) != 2 || d.Stage("d.bios").Prestage != "s" {
		t.Errorf("%v, %v", stages, err)
	}
}

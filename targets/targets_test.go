// SPDX-License-Identifier: MPL-2.0

package targets_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/targets"
)

// The shipped declarations have no finding, and what they add is shipped too.
func TestTargets(t *testing.T) {
	for _, names := range [][]string{
		{"vmware.xml"},
		{"vmware.xml", "virtualisation.xml"},
		{"orangepi-pc.xml"},
		{"lamobo-r1.xml"},
		{"bananapi.xml"},
		{"cubieboard.xml"},
		{"arm64-uefi.xml"},
		{"rock64.xml"},
	} {
		files := read(t, names)
		d, findings := decl.Parse(files...)
		if len(findings) > 0 {
			var b strings.Builder
			if err := findings.Render(&b, decl.Texts(files), false); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%v:\n%s", names, b.String())
		}
		for _, s := range d.Stages {
			for _, a := range s.Actions {
				c, ok := a.(*decl.Copy)
				if !ok {
					continue
				}
				for _, src := range c.Sources {
					if _, err := fs.Stat(targets.FS, path.Clean(src)); err != nil && !c.Optional && c.FromStage == "" {
						t.Errorf("%s of stage %s: %v", c.Kind(), s.ID, err)
					}
				}
			}
		}
		if len(d.Disks) != 1 || d.Disks[0].Stage != "900-release" || d.Disks[0].ID+".xml" != names[0] {
			t.Errorf("%v: disks %+v", names, d.Disks)
		}
	}
}

// Overlays for what bitbake deploys fit any declaration: they name no stage but
// their own, which does not become a result.
func TestYoctoOverlays(t *testing.T) {
	baking := decl.Source{Name: "image.xml", Data: []byte(`<redo><layer_declaration><remote name="r" baseurl="git://h/"/>
		<baselayer remote="r" repo="poky" revision="v1"/></layer_declaration>
		<buildstage id="image"><action>FROM x</action><bitbake_target>core-image-minimal</bitbake_target></buildstage></redo>`)}
	for _, o := range targets.Overlays() {
		name := o.File
		files := append([]decl.Source{baking}, read(t, []string{name})...)
		d, findings := decl.Parse(files...)
		if len(findings) > 0 {
			var b strings.Builder
			if err := findings.Render(&b, decl.Texts(files), false); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%v:\n%s", name, b.String())
		}
		if len(d.Disks) != 1 || d.Disks[0].Stage != "" || d.Disks[0].ID+".xml" != name {
			t.Errorf("%v: disks %+v", name, d.Disks)
		}
		if leaves := d.Leaves(); len(leaves) != 1 || leaves[0].ID != "image" {
			t.Errorf("%v: leaves %+v", name, leaves)
		}
	}
}

// read reads declarations, each after those that it is based on.
func read(t *testing.T, names []string) []decl.Source {
	t.Helper()
	var files []decl.Source
	for _, name := range names {
		data, err := targets.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		src := decl.Source{Name: name, Data: data}
		if base, _ := decl.Base(src); base != "" {
			files = append(files, read(t, []string{base})...)
		}
		files = append(files, src)
	}
	return files
}

// The units that are shipped are units for systemd, too. Nothing waits for a device
// or for keys that take long.
func TestUnits(t *testing.T) {
	units, err := filepath.Glob("*/files/etc/systemd/system/*.service")
	if err != nil || len(units) < 4 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		data, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if slices.Contains([]string{"After", "Requires", "BindsTo", "Requisite"}, key) && strings.Contains(value, ".device") {
				t.Errorf("%s waits for a device: %s", unit, line)
			}
		}
		if strings.Contains(string(data), "ssh-keygen -A") && !strings.Contains(string(data), "After=multi-user.target") {
			t.Errorf("%s makes every kind of key before the machine is up", unit)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, unit := range units {
		if strings.Contains(unit, "grow") {
			continue // its script is not on this machine
		}
		own := filepath.Join(t.TempDir(), strings.Replace(filepath.Base(unit), "@.", "@ttyS0.", 1))
		data, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(own, data, 0o644); err != nil {
			t.Fatal(err)
		}
		// Its status is about programs and units that this machine may lack.
		out, _ := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", own).CombinedOutput()
		if regexp.MustCompile(`Unknown|[Ii]nvalid|[Ff]ailed to parse`).Match(out) {
			t.Errorf("systemd-analyze verify %s:\n%s", unit, out)
		}
	}
}

// What is embedded has no modes: a program among it would be one in a checkout
// only.
func TestNoPrograms(t *testing.T) {
	err := fs.WalkDir(targets.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := os.Stat(p)
		if err == nil && st.Mode()&0o111 != 0 {
			t.Errorf("%s has mode %v", p, st.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package targets_test

import (
	"io/fs"
	"os"
	"path"
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
			if err := findings.Render(&b, files, false); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%v:\n%s", names, b.String())
		}
		for _, s := range d.Stages {
			for _, a := range s.Actions {
				for _, src := range a.Sources {
					if _, err := fs.Stat(targets.FS, path.Clean(src)); err != nil && !a.Optional && a.FromStage == "" {
						t.Errorf("%s of stage %s: %v", a.Kind, s.ID, err)
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
	for _, name := range []string{"yocto-vmware.xml", "yocto-efi.xml", "yocto-sunxi.xml"} {
		files := append([]decl.Source{baking}, read(t, []string{name})...)
		d, findings := decl.Parse(files...)
		if len(findings) > 0 {
			var b strings.Builder
			if err := findings.Render(&b, files, false); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%v:\n%s", name, b.String())
		}
		if len(d.Disks) != 1 || d.Disks[0].Stage != "" || d.Disks[0].ID+".xml" != name {
			t.Errorf("%v: disks %+v", name, d.Disks)
		}
		if leaf := d.Leaf(); leaf == nil || leaf.ID != "image" {
			t.Errorf("%v: leaf %+v", name, leaf)
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

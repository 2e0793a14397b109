// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestFsck flips a bit in a file of each kind. fsck names it and puts it aside, and what is
// made then is the same as before.
func TestFsck(t *testing.T) {
	d := newDamageWorld(t)
	if kinds, status := d.fsck(t); status != 0 || len(kinds) > 0 {
		t.Fatalf("of a sound store: %v, status %d", kinds, status)
	}
	for _, x := range []struct{ kind, check, script string }{
		{"layer", byDisk, `same $ADD/data/big flip $ADD/data/big 300000`},
		{"layer", byExport, `rm -rf $C/blobs; flip $(split $ADD) 100`},
		{"record of files", byDisk, `flip $(sums $ADD) 200`},
		{"record of a step", byDisk, `for r in $G/carosbuild/records/*; do flip $r 20; done`},
		{"note of devices", byDisk, `for r in $G/carosbuild/devices/*; do flip $r 12; done`},
		{"pin", byDisk, `for r in $C/pins/*.json; do flip $r 25; done`},
		{"plan", byDisk, `for r in $C/history/*; do flip $r 30; done`},
		{"list", byDisk, `truncate -s 200 $G/overlay-layers/layers.json`},
		{"image", byExport, `for f in $G/overlay-images/*/=c2hhMjU2*; do flip $f 30; done`},
		{"blob", byExport, `for f in $C/blobs/blobs/sha256/*; do flip $f 40; done`},
		{"note of a blob", byExport, `for f in $C/blobs/index/*; do flip $f 30; done`},
		{"tar", byTars, `for f in $C/layers/*.tar; do flip $f 700; done`},
		{"tar", byTars, `for f in $C/layers/*.json; do flip $f 30; done`},
	} {
		if x.check == byExport {
			d.ok(t, program(t), "build", "-B", "exported", "a.xml")
			d.try(t, x.check) // so that there are blobs
		}
		d.play(t, x.script)
		if kinds, status := d.fsck(t); status != 1 || !slices.Contains(kinds, x.kind) {
			t.Errorf("%s: %s: found %v, status %d", x.kind, x.script, kinds, status)
		}
		if kinds, status := d.fsck(t); x.kind != "image" && (status != 0 || len(kinds) > 0) {
			t.Errorf("%s: %s: found again: %v, status %d", x.kind, x.script, kinds, status)
		}
		if x.check == byExport {
			d.ok(t, program(t), "build", "-B", "exported", "a.xml")
		}
		if got, r := d.try(t, x.check); r.status != 0 || got != d.right[x.check] {
			t.Errorf("%s: %s: afterwards %q, want %q, status %d\n%s", x.kind, x.script, got, d.right[x.check], r.status, r.stderr)
		}
		if kinds, status := d.fsck(t); status != 0 {
			t.Errorf("%s: %s: in the end: %v, status %d", x.kind, x.script, kinds, status)
		}
	}
}

// fsck is what kinds fsck finds damaged, and its status.
func (d *damageWorld) fsck(t *testing.T) (kinds []string, status int) {
	t.Helper()
	r := d.carosbuild(t, "fsck", "--json")
	var report struct {
		Damaged []struct {
			Kind string `json:"kind"`
		} `json:"damaged"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	for _, x := range report.Damaged {
		kinds = append(kinds, x.Kind)
	}
	return kinds, r.status
}

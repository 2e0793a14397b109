// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPins(t *testing.T) {
	p := Pins{Dir: filepath.Join(t.TempDir(), "pins")}
	if _, ok := p.read("k"); ok {
		t.Error("an empty directory has a pin")
	}
	for _, want := range []string{"a@sha256:1", "a@sha256:2"} {
		if err := p.write("k", pin{Image: want}); err != nil {
			t.Fatal(err)
		}
		if got, ok := p.read("k"); !ok || got.Image != want {
			t.Errorf("read %q, want %q", got.Image, want)
		}
	}
	if err := os.WriteFile(p.path("k"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.read("k"); ok {
		t.Error("a damaged pin was taken")
	}
	if err := os.WriteFile(p.path("k"), []byte(`{"image":"old@sha256:3"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := p.read("k"); !ok || got.Image != "old@sha256:3" {
		t.Errorf("of an earlier version: %q", got.Image)
	}
	left, err := os.ReadDir(p.Dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
}

// A pin whose writer was killed is removed when the next one is written; a file
// that may still be written is kept.
func TestUnfinishedPins(t *testing.T) {
	p := Pins{Dir: t.TempDir()}
	old, young := filepath.Join(p.Dir, ".new-1"), filepath.Join(p.Dir, ".new-2")
	for _, f := range []string{old, young} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	if got := p.Units(time.Now()); len(got) != 1 || got[0].Path != old {
		t.Errorf("unfinished: %v", got)
	}
	if err := p.write("a", pin{Image: "x@sha256:0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(old); err == nil {
		t.Error("the one of an hour ago is still there")
	}
	if _, err := os.Lstat(young); err != nil {
		t.Error(err)
	}
}

// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
	"go.podman.io/storage"
)

// A flipped bit in any kind of file of a store of any rung is found, and nothing else is.
func TestFsckFindsFlippedBits(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for name, o := range map[string]Options{
		"overlay":          {},
		"copies":           {Snapshots: snapshot.Copy},
		"owners recorded":  {Snapshots: snapshot.Copy, Owners: &owner.Recorded{}},
		"owners elsewhere": {Snapshots: snapshot.Copy, Owners: owner.Own{}},
	} {
		t.Run(name, func(t *testing.T) { fsckStore(t, o) })
	}
}

// flips are damages: the file below the store, with ID for the middle layer's id and IMAGE
// for the image's, the byte in it, and the kind that is reported.
var flips = []struct {
	file string
	at   int64
	kind string
	gone bool // the file is removed
}{
	{"overlay/ID/diff/hidden/new", 3, "layer", false},
	{"overlay-layers/ID.tar-split.gz", 60, "layer", false},
	{"carosbuild/sums/ID", 100, "record of files", true},
	{"carosbuild/records/key", 20, "record of a step", true},
	{"carosbuild/devices/ID", 12, "note of devices", true},
	{"carosbuild/labels/ID", 12, "note of attributes", true},
	{"carosbuild/index/layers.json", 0, "list", true},
	{"overlay-images/IMAGE/manifest", 30, "image", false},
	{"overlay-images/IMAGE/=*", 30, "image", false},
}

func fsckStore(t *testing.T, o Options) {
	dir := t.TempDir()
	o.GraphRoot, o.RunRoot = filepath.Join(dir, "graph"), filepath.Join(dir, "run")
	open := func() *Store {
		t.Helper()
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	st := &stepper{T: t, s: open()}
	layers(st)
	chain, err := st.s.Chain(st.top.ID)
	if err != nil {
		t.Fatal(err)
	}
	id := chain[1].ID
	_, err1 := st.s.Devices(id)
	_, err2 := st.s.Labels(id)
	image, err3 := st.s.PutImage(t.Context(), []string{"x"}, st.top.ID, oci.NewConfig("amd64"))
	err4 := OpenRecords(RecordsDir(o.GraphRoot), o.GraphRoot).Put(Record{Key: "key", Layer: id})
	if err := errors.Join(err1, err2, err3, err4, st.s.Close()); err != nil {
		t.Fatal(err)
	}
	check := func(look bool) *fsck.Check {
		t.Helper()
		s, c := open(), &fsck.Check{Look: look}
		if err := errors.Join(s.Fsck(t.Context(), c), s.Close()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := check(false); len(c.Found) > 0 || len(c.Waiting) > 0 {
		t.Fatalf("of a sound store: %v, %v", c.Found, c.Waiting)
	}
	for _, f := range flips {
		files, _ := filepath.Glob(filepath.Join(o.GraphRoot, strings.NewReplacer("ID", id, "IMAGE", image).Replace(f.file)))
		if len(files) == 0 {
			t.Errorf("%s: there is none", f.file)
			continue
		}
		undo := flipBit(t, files[0], f.at)
		told := check(true)
		if len(told.Found) == 0 || told.Found[0].Kind != f.kind {
			t.Errorf("%s: found %v", f.file, told.Found)
		}
		// A copy of a list is made again whenever the store is closed.
		if again := check(false); f.kind != "list" && len(again.Found) != len(told.Found) {
			t.Errorf("%s: found %v after %v: to look has changed something", f.file, again.Found, told.Found)
		}
		if _, err := os.Lstat(files[0]); f.gone && f.kind != "list" && err == nil {
			t.Errorf("%s: is still there", f.file)
		}
		if c := check(false); f.kind != "image" && len(c.Found) > 0 || (f.kind == "layer") != (len(c.Waiting) == 1) {
			t.Errorf("%s: afterwards: %v, waiting %v", f.file, c.Found, c.Waiting)
		}
		undo()
		if err := os.RemoveAll(damagedFile(o.GraphRoot, id)); err != nil {
			t.Fatal(err)
		}
	}
	fsckIndex(t, o)
}

// fsckIndex flips bits in the library's list of layers, which the library reads once per
// directory.
func fsckIndex(t *testing.T, o Options) {
	for i, key := range []string{`"id":"`, `"parent":"`, `"diff-digest":"sha256:`, `"diff-size":`} {
		moved := fmt.Sprint(filepath.Dir(o.GraphRoot), "/moved", i)
		if err := os.Rename(o.GraphRoot, moved); err != nil {
			t.Fatal(err)
		}
		o.GraphRoot = moved
		file := filepath.Join(moved, "overlay-layers/layers.json")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte(key))
		if at < 0 {
			t.Fatalf("no %s in %s", key, data)
		}
		undo := flipBit(t, file, int64(at+len(key)+1)) // the second digit: the first cannot be 0
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		c := &fsck.Check{Look: true}
		if err := errors.Join(s.Fsck(t.Context(), c), s.Close()); err != nil || len(c.Found) == 0 {
			t.Errorf("%s in the list of layers: found %v, %v", key, c.Found, err)
		}
		undo()
	}
}

// flipBit flips a bit of a file and keeps its times. Undo restores it.
func flipBit(t *testing.T, file string, at int64) (undo func()) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := errors.Join(os.WriteFile(file, b, st.Mode().Perm()), os.Chtimes(file, st.ModTime(), st.ModTime())); err != nil {
			t.Fatal(err)
		}
	}
	bad := slices.Clone(data)
	bad[min(at, int64(len(bad)-1))] ^= 1
	write(bad)
	return func() { write(data) }
}

// An image whose documents were not all written when a process ended is not damaged. The
// next process that stores it completes it.
func TestFsckUnfinishedImage(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	st := &stepper{T: t, s: s}
	layers(st)
	c := oci.NewConfig("amd64")
	whole, err := s.PutImage(t.Context(), []string{"x"}, st.top.ID, c)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("12", 32)
	if _, err := s.store.CreateImage(id, nil, st.top.ID, "", &storage.ImageOptions{Metadata: ours}); err != nil {
		t.Fatal(err)
	}
	found := func() []fsck.Damage {
		t.Helper()
		check := &fsck.Check{Look: true}
		if err := s.Fsck(t.Context(), check); err != nil {
			t.Fatal(err)
		}
		return check.Found
	}
	if got := found(); len(got) > 0 {
		t.Errorf("unfinished: %v", got)
	}
	if err := s.store.SetNames(id, []string{"localhost/y:1"}); err != nil {
		t.Fatal(err)
	}
	if got := found(); len(got) != 1 || !strings.Contains(got[0].Path, id) {
		t.Errorf("with a name, which comes last: %v", got)
	}
	if again, err := s.PutImage(t.Context(), []string{"x"}, st.top.ID, c); err != nil || again != whole {
		t.Errorf("the whole image is %s, %v", again, err)
	}
}

// SPDX-License-Identifier: MPL-2.0

package roots_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/vm/roots"
	"github.com/carosio/carosbuild/pkg/vm/roots/rootstest"
)

// snapshotter adapts roots to the engine.
type snapshotter struct{ *roots.Snapshots }

func (s snapshotter) Prepare(ctx context.Context, layer string) (engine.Snapshot, error) {
	w, err := s.Snapshots.Prepare(ctx, layer)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (s snapshotter) View(ctx context.Context, layer string) (*engine.View, error) {
	v, err := s.Snapshots.View(ctx, layer)
	if err != nil {
		return nil, err
	}
	return &engine.View{Root: v.Root, Release: v.Release}, nil
}

func open(t *testing.T) *roots.Snapshots {
	t.Helper()
	return &roots.Snapshots{Layers: &rootstest.Layers{}, Dir: t.TempDir()}
}

func TestConformance(t *testing.T) {
	enginetest.TestSnapshotter(t, func(t *testing.T) engine.Snapshotter { return snapshotter{open(t)} })
}

// Owners, modes, devices and attributes go into layers and come out of them, whoever runs the
// test, and whatever is then done to the files. A table ends with its root.
func TestMetadata(t *testing.T) {
	s := open(t)
	w, err := s.Prepare(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	dir, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	for name, m := range map[string]owner.Meta{
		"secret": {UID: 33, GID: 44, Mode: unix.S_IFREG, Xattrs: map[string][]byte{"security.capability": []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")}},
		"closed": {UID: 5, Mode: unix.S_IFDIR | 0o500},
	} {
		if m.Mode&unix.S_IFDIR != 0 {
			err = os.Mkdir(filepath.Join(w.Root(), name), 0o755)
		} else {
			err = os.WriteFile(filepath.Join(w.Root(), name), []byte("x"), 0o644)
		}
		if err == nil {
			err = w.Owners().Set(dir, name, m)
		}
		if err != nil {
			t.Fatal(name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.Root(), "closed/in"), nil, 0o600); err != nil {
		t.Error("a directory that nobody may write to: ", err)
	}
	if err := w.Owners().Mknod(dir, "null", unix.S_IFCHR|0o666, unix.Mkdev(1, 3)); err != nil {
		t.Fatal(err)
	}
	one, _, err := w.Commit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Table(w.Root()) != nil {
		t.Error("the table is there without its root")
	}
	w, err = s.Prepare(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	got, done, err := roots.Read(t.Context(), w.Root(), s.Table(w.Root()))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if root := got.Entries[0]; root.Mtime < 1e9 {
		t.Errorf("the root directory is of %d", root.Mtime)
	}
	for path, want := range map[string]tree.Entry{
		"secret": {UID: 33, GID: 44, Mode: tree.Regular, Xattrs: make([]tree.Xattr, 1)},
		"closed": {UID: 5, Mode: tree.Dir | 0o500},
		"null":   {Mode: tree.Char | 0o666, Rdev: tree.Device{Major: 1, Minor: 3}},
	} {
		e, err := got.Lookup(path)
		if err != nil {
			t.Fatal(err)
		}
		if e.UID != want.UID || e.GID != want.GID || e.Mode != want.Mode || e.Rdev != want.Rdev || len(e.Xattrs) != len(want.Xattrs) {
			t.Errorf("%s is %+v, want %+v", path, e, want)
		}
	}
	if same, changed, err := w.Commit(t.Context(), nil); same != one || changed || err != nil {
		t.Errorf("without a change: %.12s, %v, %v", same, changed, err)
	}
}

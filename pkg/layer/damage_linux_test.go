// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
)

// layers commits three layers, one on another, with whiteouts, opaque directories, files
// in place of directories and hard links.
func layers(s *stepper) {
	write := func(root string, files ...string) error {
		for _, f := range files {
			p := filepath.Join(root, f)
			if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(f), 0o644)); err != nil {
				return err
			}
		}
		return nil
	}
	s.step(CommitOptions{}, func(root string) error {
		return write(root, "a/one", "a/two", "a-b", "d/e/f", "hidden/x", "hidden/y/z", "retyped/x", "z")
	})
	s.step(CommitOptions{}, func(root string) error {
		err := errors.Join(os.Remove(root+"/a/one"), os.RemoveAll(root+"/hidden"), os.Mkdir(root+"/hidden", 0o700), os.RemoveAll(root+"/retyped"))
		return errors.Join(err, write(root, "hidden/new", "retyped", "d/e/g"), os.Link(root+"/z", root+"/z2"))
	})
	s.step(CommitOptions{}, func(root string) error {
		return errors.Join(os.Remove(root+"/z"), os.Symlink("a", root+"/link"), write(root, "a/one/below"))
	})
}

// expected lists the paths that a chain is expected to show.
func expected(s *stepper, id string) []string {
	s.Helper()
	e, err := s.s.Expect(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	var out []string
	for {
		f, _, ok, err := e.Next()
		if err != nil {
			s.Fatal(err)
		}
		if !ok {
			return out
		}
		if f.Size > 0 {
			if want := crc32.Checksum([]byte(strings.Replace(f.Path, "z2", "z", 1)), crc32.MakeTable(crc32.Castagnoli)); f.CRC != want {
				s.Errorf("%s: sum %x, want %x", f.Path, f.CRC, want)
			}
		}
		out = append(out, f.Path)
	}
}

// The expected files of a chain are those that its mount shows, in order.
func TestExpectedIsWhatTheMountShows(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stepper{T: t, s: openStore(t)}
	layers(s)
	root, release, err := s.s.View(t.Context(), s.top.ID)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	err = filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, p)
		want = append(want, strings.TrimPrefix(rel, "."))
		return err
	})
	if err := errors.Join(err, release()); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, sums.Compare)
	got := expected(s, s.top.ID)
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("expected (-got +shown):\n%s", d)
	}
	// A damaged or missing record is made again, with the same contents.
	for _, change := range []func(file string) error{
		os.Remove,
		func(file string) error { return os.Truncate(file, 90) },
		func(file string) error {
			b, err := os.ReadFile(file)
			b[len(b)/2] ^= 1
			return errors.Join(err, os.WriteFile(file, b, 0o600))
		},
	} {
		if err := change(s.s.sumsFile(s.top.ID)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(expected(s, s.top.ID), got); d != "" {
			t.Errorf("made again (-got +want):\n%s", d)
		}
	}
}

// A damaged layer and all layers on it count as missing, and its files are restored when
// it is made again.
func TestDamagedLayerIsMadeAgain(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stepper{T: t, s: openStore(t)}
	records := OpenRecords(RecordsDir(s.s.graph), s.s.graph)
	base, _ := s.step(CommitOptions{}, func(root string) error { return os.WriteFile(root+"/f", []byte("content"), 0o644) })
	top, _ := s.step(CommitOptions{}, func(root string) error { return os.WriteFile(root+"/g", nil, 0o644) })
	var tar bytes.Buffer
	if err := s.s.WriteTar(base, &tar); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Record{{Key: "base", Layer: base.ID}, {Key: "top", Layer: top.ID}} {
		if err := records.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	usable := func(want bool) {
		t.Helper()
		for _, key := range []string{"base", "top"} {
			if _, ok, err := records.Lookup(key); ok != want || err != nil {
				t.Errorf("%s: usable %v, want %v; %v", key, ok, want, err)
			}
		}
	}
	usable(true)
	file := s.s.diffDir(base.ID) + "/f"
	for what, damage := range map[string]func() error{
		"a mode":      func() error { return os.Chmod(file, 0o4755) },
		"no file":     func() error { return os.Remove(file) },
		"a new file":  func() error { return os.WriteFile(s.s.diffDir(base.ID)+"/new", nil, 0o644) },
		"no files":    func() error { return os.RemoveAll(s.s.diffDir(base.ID)) },
		"a type":      func() error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o755)) },
		"an owner":    func() error { return os.Chown(file, 1, 1) },
		"a time":      func() error { return unix.Utimes(file, []unix.Timeval{{Sec: 1}, {Sec: 1}}) },
		"a attribute": func() error { return unix.Setxattr(file, "user.x", []byte("y"), 0) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		err := s.s.FindDamage(top.ID, "x", "y")
		found := Damages(err)
		if len(found) == 0 || found[0].Layer != base.ID || !errors.Is(err, oci.ErrDamaged) || slices.ContainsFunc(found, func(d *DamageError) bool { return d.Layer == top.ID }) {
			t.Errorf("%s: found %v", what, err)
		}
		if err := s.s.MarkDamaged(base.ID, err.Error()); err != nil {
			t.Fatal(err)
		}
		usable(false)
		again, err := s.s.Apply(t.Context(), "", bytes.NewReader(tar.Bytes()), base.DiffID)
		if err != nil || again.ID != base.ID {
			t.Fatalf("%s: made again as %s, %v", what, again.ID, err)
		}
		usable(true)
		if found, err := s.s.checkFiles(base.ID, 10); err != nil || len(found) > 0 {
			t.Errorf("%s: still damaged: %v, %v", what, found, err)
		}
		if err := s.s.WriteTar(base, &bytes.Buffer{}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A missing directory needs no mark.
	if err := os.RemoveAll(s.s.diffDir(base.ID)); err != nil {
		t.Fatal(err)
	}
	usable(false)
	if _, err := s.s.Prepare(t.Context(), top.ID); len(Damages(err)) != 1 {
		t.Errorf("a snapshot of it: %v", err)
	}
}

// A step's imitations of storage attributes reach neither its layer nor a disk.
func TestStorageAttributesAreTakenOut(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stepper{T: t, s: openStore(t)}
	l, _ := s.step(CommitOptions{}, func(root string) error {
		if err := errors.Join(os.WriteFile(root+"/f", nil, 0o644), os.Mkdir(root+"/d", 0o755)); err != nil {
			return err
		}
		for _, f := range []string{"/f", "/d", ""} {
			for _, a := range []string{"user.containers.override_stat", "user.fuseoverlayfs.x", "user.kept"} {
				if err := unix.Setxattr(root+f, a, []byte("0:0:4755"), 0); err != nil {
					return err
				}
			}
		}
		return nil
	})
	text := strings.Join(s.members(l), "\n")
	if strings.Contains(text, "containers") || strings.Contains(text, "fuse") || strings.Count(text, "user.kept") < 2 {
		t.Errorf("the layer has\n%s", text)
	}
	buf := make([]byte, 1000)
	for _, f := range []string{"/f", "/d"} {
		n, err := unix.Listxattr(s.s.diffDir(l.ID)+f, buf)
		if list := string(buf[:max(n, 0)]); err != nil || strings.Contains(list, "containers") || !strings.Contains(list, "user.kept") {
			t.Errorf("%s has the attributes %q, %v", f, list, err)
		}
	}
}

// A damaged index of the store is restored from its copy.
func TestIndexIsRestored(t *testing.T) {
	graph := t.TempDir()
	file := indexes(graph)[0]
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(`[{"id":`)
	if _, err := restoreIndexes(graph); !errors.Is(err, oci.ErrDamaged) {
		t.Errorf("without a copy: %v", err)
	}
	put(`[{"id":"x"}]`)
	if err := saveIndexes(graph); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{`[{"id":`, ""} {
		put(damaged)
		err := saveIndexes(graph)
		if _, rerr := restoreIndexes(graph); err != nil || rerr != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(file); string(b) != `[{"id":"x"}]` || err != nil {
			t.Errorf("after %q: %q, %v", damaged, b, err)
		}
	}
}

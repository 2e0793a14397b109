// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/engine"
)

// TestSnapshotter fails unless the snapshotters that open returns do what
// engine.Snapshotter and engine.Snapshot promise.
func TestSnapshotter(t *testing.T, open func(t *testing.T) engine.Snapshotter) {
	for name, test := range map[string]func(t *testing.T, s layers){
		"an empty root":         emptyRoot,
		"layers on layers":      layersOnLayers,
		"changes of all kinds":  changesOfAllKinds,
		"snapshots are apart":   snapshotsAreApart,
		"nothing changed":       nothingChanged,
		"revert":                reverts,
		"revert of directories": revertsDirectories,
		"revert stays inside":   revertsInside,
		"clamped times":         clampedTimes,
		"how it ends":           snapshotEnds,
		"ended context":         snapshotEnded,
		"unknown layers":        unknownLayers,
		"views":                 views,
		"owners":                owners,
	} {
		t.Run(name, func(t *testing.T) { test(t, layers{t, open(t)}) })
	}
}

// layers are a snapshotter and the test that uses it.
type layers struct {
	*testing.T
	engine.Snapshotter
}

func (l layers) prepare(id string) engine.Snapshot {
	l.Helper()
	w, err := l.Prepare(l.Context(), id)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := w.Discard(); err != nil {
			l.Error(err)
		}
	})
	return w
}

func (l layers) commit(w engine.Snapshot) (id string, changed bool) {
	l.Helper()
	id, changed, err := w.Commit(l.Context(), nil)
	if err != nil {
		l.Fatal(err)
	}
	return id, changed
}

// layer makes a layer on another, from files ("name=content"), directories ("name/"),
// links ("name -> target") and removals ("-name").
func (l layers) layer(below string, files ...string) string {
	l.Helper()
	w := l.prepare(below)
	change(l.T, w.Root(), files...)
	id, changed := l.commit(w)
	if !changed || id == "" || id == below {
		l.Fatalf("%v on %q give layer %q, changed %v", files, below, id, changed)
	}
	return id
}

// change changes a directory in the notation of layers.layer.
func change(t *testing.T, root string, files ...string) {
	t.Helper()
	for _, f := range files {
		name, content, isFile := strings.Cut(f, "=")
		link, target, isLink := strings.Cut(f, " -> ")
		var err error
		switch {
		case strings.HasPrefix(f, "-"):
			err = os.RemoveAll(filepath.Join(root, f[1:]))
		case isLink:
			err = os.Symlink(target, filepath.Join(root, link))
		case isFile:
			if err = os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err == nil {
				err = os.WriteFile(filepath.Join(root, name), []byte(content), 0o644)
			}
		default:
			err = os.MkdirAll(filepath.Join(root, f), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// view is what a layer shows, in the notation of layers.layer.
func (l layers) view(id string) []string {
	l.Helper()
	v, err := l.View(l.Context(), id)
	if err != nil {
		l.Fatal(err)
	}
	defer func() {
		if err := v.Release(); err != nil {
			l.Error(err)
		}
	}()
	return dirtest.Listed(l.T, v.Root)
}

func (l layers) shows(id string, want ...string) {
	l.Helper()
	if diff := cmp.Diff(l.view(id), want); diff != "" {
		l.Errorf("layer %.12s shows (-got +want):\n%s", id, diff)
	}
}

func emptyRoot(_ *testing.T, s layers) {
	w := s.prepare("")
	if got := dirtest.Listed(s.T, w.Root()); len(got) > 0 || !filepath.IsAbs(w.Root()) {
		s.Errorf("the root %s has %q", w.Root(), got)
	}
	st, err := os.Stat(w.Root())
	if err != nil || st.Mode() != fs.ModeDir|0o755 {
		s.Errorf("the root is %v, %v", st.Mode(), err)
	}
	s.shows("")
}

func layersOnLayers(_ *testing.T, s layers) {
	a := s.layer("", "a=1", "d/b=2")
	b := s.layer(a, "d/c=3", "a=one")
	c := s.layer(b, "-d/b")
	s.shows(a, "a=1", "d/", "d/b=2")
	s.shows(b, "a=one", "d/", "d/b=2", "d/c=3")
	s.shows(c, "a=one", "d/", "d/c=3")
}

func changesOfAllKinds(_ *testing.T, s layers) {
	a := s.layer("", "file=1", "dir/x=2", "empty/", "link -> file", "gone=3", "mode=4")
	w := s.prepare(a)
	change(s.T, w.Root(), "-file", "file/", "file/in=5", "-dir", "dir=6", "-link", "link -> dir", "-gone", "-empty")
	for name, err := range map[string]error{
		"mode": unix.Chmod(filepath.Join(w.Root(), "mode"), 0o4750),
		"fifo": unix.Mkfifo(filepath.Join(w.Root(), "fifo"), 0o600),
		"hard": os.Link(filepath.Join(w.Root(), "dir"), filepath.Join(w.Root(), "hard")),
	} {
		if err != nil {
			s.Fatal(name, err)
		}
	}
	b, _ := s.commit(w)
	s.shows(b, "dir=6", "fifo p---------", "file/", "file/in=5", "hard=6", "link -> dir", "mode=4")
	w = s.prepare(b)
	var st, one, two unix.Stat_t
	if err := unix.Stat(filepath.Join(w.Root(), "mode"), &st); err != nil || st.Mode != unix.S_IFREG|0o4750 {
		s.Errorf("mode %o, %v", st.Mode, err)
	}
	if unix.Stat(filepath.Join(w.Root(), "dir"), &one) != nil || unix.Stat(filepath.Join(w.Root(), "hard"), &two) != nil || one.Ino != two.Ino {
		s.Errorf("two names of a file have inodes %d and %d", one.Ino, two.Ino)
	}
}

func snapshotsAreApart(_ *testing.T, s layers) {
	a := s.layer("", "a=1")
	one, two := s.prepare(a), s.prepare(a)
	change(s.T, one.Root(), "a=one", "x=1")
	change(s.T, two.Root(), "-a", "y=2")
	s.shows(a, "a=1")
	first, _ := s.commit(one)
	second, _ := s.commit(two)
	s.shows(first, "a=one", "x=1")
	s.shows(second, "y=2")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("by%d=%d", i, i)
			s.shows(s.layer(a, name), "a=1", name)
		})
	}
	wg.Wait()
}

func nothingChanged(_ *testing.T, s layers) {
	a := s.layer("", "a=1", "d/")
	for _, below := range []string{"", a} {
		for name, change := range map[string]func(w engine.Snapshot) error{
			"nothing":              func(engine.Snapshot) error { return nil },
			"made and removed":     func(w engine.Snapshot) error { return removed(w.Root()) },
			"made and reverted":    func(w engine.Snapshot) error { change(s.T, w.Root(), "new=1"); return w.Revert("/new") },
			"nothing was reverted": func(w engine.Snapshot) error { return w.Revert("/none/at/all") },
		} {
			w := s.prepare(below)
			if err := change(w); err != nil {
				s.Fatal(name, err)
			}
			if id, changed := s.commit(w); id != below || changed {
				s.Errorf("%s on %.12q: layer %.12q, changed %v", name, below, id, changed)
			}
		}
	}
}

func removed(root string) error {
	name := filepath.Join(root, "new")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	return os.Remove(name)
}

func clampedTimes(_ *testing.T, s layers) {
	const clamp = int64(1e9)
	w := s.prepare("")
	change(s.T, w.Root(), "late=1", "early=2", "dir/", "link -> late")
	before := time.Unix(clamp-1000, 0)
	if err := os.Chtimes(filepath.Join(w.Root(), "early"), before, before); err != nil {
		s.Fatal(err)
	}
	bound := clamp
	id, _, err := w.Commit(s.Context(), &bound)
	if err != nil {
		s.Fatal(err)
	}
	v, err := s.View(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = v.Release() }()
	for name, want := range map[string]int64{"late": clamp, "early": clamp - 1000, "dir": clamp, "link": clamp} {
		st, err := os.Lstat(filepath.Join(v.Root, name))
		if err != nil || st.ModTime().Unix() != want {
			s.Errorf("%s: %v, %v, want %d", name, st.ModTime().Unix(), err, want)
		}
	}
}

func unknownLayers(_ *testing.T, s layers) {
	for _, id := range []string{strings.Repeat("0", 64), "none"} {
		if w, err := s.Prepare(s.Context(), id); err == nil {
			s.Errorf("a snapshot of layer %s, which does not exist: %v", id, w.Discard())
		}
		if v, err := s.View(s.Context(), id); err == nil {
			s.Errorf("a view of layer %s, which does not exist: %v", id, v.Release())
		}
	}
}

func views(_ *testing.T, s layers) {
	a := s.layer("", "a=1", "d/b=2")
	one, err := s.View(s.Context(), a)
	if err != nil {
		s.Fatal(err)
	}
	two, err := s.View(s.Context(), a)
	if err != nil {
		s.Fatal(err)
	}
	_ = os.WriteFile(filepath.Join(one.Root, "a"), []byte("changed"), 0o644) // whether refused or not
	_ = os.Remove(filepath.Join(one.Root, "d/b"))
	for range 2 {
		if err := one.Release(); err != nil {
			s.Error(err)
		}
	}
	if diff := cmp.Diff(dirtest.Listed(s.T, two.Root), []string{"a=1", "d/", "d/b=2"}); diff != "" {
		s.Errorf("the other view (-got +want):\n%s", diff)
	}
	if err := two.Release(); err != nil {
		s.Error(err)
	}
	s.shows(a, "a=1", "d/", "d/b=2")
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if v, err := s.View(ctx, a); err == nil {
		s.Errorf("a view though the context has ended: %v", v.Release())
	}
}

// owners: files stay the caller's, which every snapshotter has to permit.
func owners(_ *testing.T, s layers) {
	w := s.prepare("")
	change(s.T, w.Root(), "f=1", "link -> none")
	dir, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer unix.Close(dir)
	for name, there := range map[string]bool{"f": true, "link": true, "none": false} {
		if err := w.Owners().Chown(dir, name, os.Getuid(), os.Getgid()); (err == nil) != there {
			s.Errorf("%s: %v", name, err)
		}
	}
	if err := w.Owners().Chown(unix.AT_FDCWD, filepath.Join(w.Root(), "f"), os.Getuid(), os.Getgid()); err != nil {
		s.Error(err)
	}
}

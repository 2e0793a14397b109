// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/oci"
)

func TestCommit(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	w, err := s.Prepare(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, "etc/passwd", "root\n")
	write(t, w, "etc/shadow", "x\n")
	if err := os.Chown(filepath.Join(w.Root(), "etc/shadow"), 0, 42); err != nil {
		t.Fatal(err)
	}
	base, changed, err := s.Commit(t.Context(), w, CommitOptions{})
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	w, err = s.Prepare(t.Context(), base.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.Root(), "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	l, changed, err := s.Commit(t.Context(), w, CommitOptions{})
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	var buf bytes.Buffer
	if err := s.WriteTar(l, &buf); err != nil {
		t.Fatal(err)
	}
	if int64(buf.Len()) != l.Size {
		t.Errorf("tar of %d bytes, want %d", buf.Len(), l.Size)
	}
	root, release, err := s.View(t.Context(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := os.Lstat(filepath.Join(root, "etc/passwd")); !os.IsNotExist(err) {
		t.Error("etc/passwd is still there:", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(root, "etc/shadow"), &st); err != nil || st.Gid != 42 {
		t.Error("etc/shadow: gid", st.Gid, err)
	}
	id, err := s.PutImage(t.Context(), []string{"carosbuild/t:1"}, l.ID, oci.Config{ConfigFile: v1.ConfigFile{Architecture: "amd64", OS: "linux"}})
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.ImageByName("carosbuild/t:1")
	if err != nil || !ok || got.ID != id {
		t.Error(got, ok, err)
	}
	// A name moves to another image; an equal image is stored once.
	cfg := oci.Config{ConfigFile: v1.ConfigFile{Architecture: "amd64", OS: "linux", Author: "x"}}
	for range 2 {
		other, err := s.PutImage(t.Context(), []string{"carosbuild/t:1", "localhost/second"}, l.ID, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := s.ImageByName("localhost/carosbuild/t:1"); err != nil || !ok || got.ID != other || other == id {
			t.Error(got, ok, err)
		}
	}
	if images, err := s.Images(); err != nil || len(images) != 2 {
		t.Error(images, err)
	}
	cfg.History = []v1.History{{CreatedBy: "x"}}
	if _, err := s.PutImage(t.Context(), nil, l.ID, cfg); err == nil {
		t.Error("a history of one layer for two is accepted")
	}
	if _, err := s.PutImage(t.Context(), []string{"Not A Name"}, l.ID, cfg); err == nil {
		t.Error("an impossible name is accepted")
	}
	testPrune(t, s, base, l)
}

// testPrune: pruning removes what neither an image nor the caller needs, and nothing of
// others.
func testPrune(t *testing.T, s *Store, base, top Layer) {
	t.Helper()
	theirs, err := s.store.CreateLayer("", base.ID, nil, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	st := &stepper{T: t, s: s, top: top}
	kept, _ := st.step(CommitOptions{}, func(root string) error { return os.WriteFile(filepath.Join(root, "kept"), nil, 0o644) })
	st.top = kept
	gone, _ := st.step(CommitOptions{}, func(root string) error { return os.WriteFile(filepath.Join(root, "gone"), nil, 0o644) })
	nothing := func(string) bool { return false }
	prune := func(drop func(string) bool, keep string) []Layer {
		t.Helper()
		p, err := s.Pruning(drop)
		if err != nil {
			t.Fatal(err)
		}
		if keep != "" {
			p.Keep(keep)
		}
		gone := p.Layers()
		if err := p.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, l := range gone {
			if _, ok := s.Layer(l.ID); ok {
				t.Errorf("layer %s is still there", l.ID)
			}
		}
		for _, l := range p.Kept() {
			if _, ok := s.Layer(l.ID); !ok {
				t.Errorf("layer %s is gone", l.ID)
			}
		}
		return gone
	}
	if removed := prune(nothing, ""); len(removed) > 0 {
		t.Errorf("removed %v, which were just made", removed)
	}
	if err := s.sync.flush(); err != nil {
		t.Fatal(err)
	}
	if removed := prune(nothing, kept.ID); len(removed) != 1 || removed[0].ID != gone.ID {
		t.Errorf("removed %v, want %s", removed, gone.ID)
	}
	if images, err := s.Images(); err != nil || len(images) != 1 { // the one without a name is gone
		t.Errorf("images: %v, %v", images, err)
	}
	if p, err := s.Pruning(func(n string) bool { return strings.HasPrefix(n, "localhost/carosbuild/") }); err != nil || len(p.Names) != 1 || len(p.Images) != 0 || p.Goes(top.ID) || !p.Keeps(top.ID) {
		t.Errorf("with another name: %v, %v", p, err)
	}
	if p, err := s.Pruning(func(string) bool { return true }); err != nil || len(p.Names) != 2 || len(p.Images) != 1 || !p.Goes(top.ID) || p.Goes(base.ID) {
		t.Errorf("with no name: %v, %v", p, err)
	}
	if removed := prune(func(string) bool { return true }, ""); len(removed) != 2 {
		t.Errorf("removed %v, want what was kept and the image's", removed)
	}
	if images, err := s.Images(); err != nil || len(images) != 0 {
		t.Errorf("images: %v, %v", images, err)
	}
	if _, ok := s.Layer(theirs.ID); !ok {
		t.Error("a layer of others is gone")
	}
	if _, ok := s.Layer(base.ID); !ok {
		t.Error("a layer that others need is gone")
	}
	testAlone(t, s)
}

// testAlone: nobody else has the store open.
func testAlone(t *testing.T, s *Store) {
	t.Helper()
	ran := 0
	f := func() error { ran++; return nil }
	if err := s.Alone(f); err != nil || ran != 1 {
		t.Errorf("alone: %v", err)
	}
	other, err := openWip(t.Context(), s.wip.base, opening{holder: "carosbuild serve, process 7"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Alone(f); !errors.Is(err, ErrInUse) || ran != 1 || !strings.HasSuffix(err.Error(), ": carosbuild serve, process 7") {
		t.Errorf("with another: %v", err)
	}
	if err := other.close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Alone(f); err != nil || ran != 2 {
		t.Errorf("alone again: %v", err)
	}
}

func write(t testing.TB, w *Working, rel, content string) {
	t.Helper()
	path := filepath.Join(w.Root(), rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkStep(b *testing.B) {
	if !inNamespace(b) {
		return
	}
	s := openStore(b)
	w, err := s.Prepare(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		write(b, w, "usr/share/"+strconv.Itoa(i/50)+"/"+strconv.Itoa(i), "some text")
	}
	base, _, err := s.Commit(b.Context(), w, CommitOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var prepare, write16, commit time.Duration
	i := 0
	for b.Loop() {
		i++
		t0 := time.Now()
		w, err := s.Prepare(b.Context(), base.ID)
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		for j := range 16 {
			write(b, w, "usr/share/1/new"+strconv.Itoa(j), "text "+strconv.Itoa(i))
		}
		t2 := time.Now()
		if _, _, err := s.Commit(b.Context(), w, CommitOptions{}); err != nil {
			b.Fatal(err)
		}
		prepare, write16, commit = prepare+t1.Sub(t0), write16+t2.Sub(t1), commit+time.Since(t2)
	}
	b.ReportMetric(float64(prepare.Microseconds())/float64(i), "us-prepare")
	b.ReportMetric(float64(write16.Microseconds())/float64(i), "us-write")
	b.ReportMetric(float64(commit.Microseconds())/float64(i), "us-commit")
}

func BenchmarkDiscard(b *testing.B) {
	if !inNamespace(b) {
		return
	}
	s := openStore(b)
	w, err := s.Prepare(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	write(b, w, "x", "y")
	base, _, err := s.Commit(b.Context(), w, CommitOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w, err := s.Prepare(b.Context(), base.ID)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Discard(); err != nil {
			b.Fatal(err)
		}
	}
}

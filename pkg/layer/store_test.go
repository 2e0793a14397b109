// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
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
	id, err := s.PutImage(t.Context(), []string{"carosbuild/t:1"}, l.ID, ImageConfig{v1.ConfigFile{Architecture: "amd64", OS: "linux"}})
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.ImageByName("carosbuild/t:1")
	if err != nil || !ok || got.ID != id {
		t.Error(got, ok, err)
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

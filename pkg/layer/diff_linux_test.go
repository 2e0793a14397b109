// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// stepper runs steps on a store.
type stepper struct {
	*testing.T
	s   *Store
	top Layer
}

// step runs f on a snapshot of the last layer and commits it.
func (s *stepper) step(o CommitOptions, f func(root string) error) (Layer, bool) {
	s.Helper()
	w, err := s.s.Prepare(s.Context(), s.top.ID)
	if err != nil {
		s.Fatal(err)
	}
	if err := f(w.Root()); err != nil {
		s.Fatal(err)
	}
	l, changed, err := s.s.Commit(s.Context(), w, o)
	if err != nil {
		s.Fatal(err)
	}
	s.top = l
	return l, changed
}

// members are the entries of a layer's tar, one line each.
func (s *stepper) members(l Layer) []string {
	s.Helper()
	var buf bytes.Buffer
	if err := s.s.WriteTar(l, &buf); err != nil {
		s.Fatal(err)
	}
	var out []string
	for tr := tar.NewReader(&buf); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			s.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			s.Fatal(err)
		}
		line := fmt.Sprintf("%c %s %o %d:%d %d", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.Unix())
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		if len(b) > 0 {
			line += " " + string(b)
		}
		for _, k := range slices.Sorted(mapsKeys(h.PAXRecords)) {
			if strings.HasPrefix(k, archive.PAXXattr) {
				line += fmt.Sprintf(" %s=%q", strings.TrimPrefix(k, archive.PAXXattr), h.PAXRecords[k])
			}
		}
		if !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() || h.Uname != "" || h.Gname != "" {
			s.Errorf("%s has times or names that depend on the host", h.Name)
		}
		out = append(out, line)
	}
}

func mapsKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func each(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDiff(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stepper{T: t, s: openStore(t)}
	epoch := int64(1000)
	o := CommitOptions{Clamp: &epoch}
	if _, changed := s.step(o, func(string) error { return nil }); changed {
		t.Error("an empty directory on scratch is a change")
	}
	base, _ := s.step(o, func(root string) error {
		p := func(n string) string { return filepath.Join(root, n) }
		return each(os.MkdirAll(p("a/b"), 0o755), os.WriteFile(p("a/b/f"), []byte("one"), 0o644), os.MkdirAll(p("c"), 0o711),
			os.Chown(p("c"), 3, 4), os.WriteFile(p("c/g"), nil, 0o600), os.MkdirAll(p("tmp"), 0o777), os.MkdirAll(p("mnt"), 0o755))
	})
	want := []string{
		"5 ./ 755 0:0 1000", "5 a/ 755 0:0 1000", "5 a/b/ 755 0:0 1000", "0 a/b/f 644 0:0 1000 one",
		"5 c/ 711 3:4 1000", "0 c/g 600 0:0 1000", "5 mnt/ 755 0:0 1000", "5 tmp/ 755 0:0 1000",
	}
	if d := cmp.Diff(want, s.members(base)); d != "" {
		t.Errorf("base (-want +got):\n%s", d)
	}
	if _, changed := s.step(o, func(root string) error {
		return each(os.WriteFile(filepath.Join(root, "tmp/x"), nil, 0o644), os.Remove(filepath.Join(root, "tmp/x")),
			os.Mkdir(filepath.Join(root, "c/d"), 0o755), os.Remove(filepath.Join(root, "c/d")))
	}); changed {
		t.Error("a file made and removed is a change")
	}
	o.Stubs, o.Exclude = []string{"/a/b/stub", "new", "a/b/used", "/new/sub"}, []string{"/mnt", "no/such", "var/cache"}
	l, _ := s.step(o, func(root string) error {
		p := func(n string) string { return filepath.Join(root, n) }
		return each(os.WriteFile(p("a/b/stub"), nil, 0o644), os.WriteFile(p("a/b/used"), []byte("x"), 0o644), os.MkdirAll(p("new/sub"), 0o755),
			os.WriteFile(p("mnt/x"), nil, 0o644), os.MkdirAll(p("var/cache/deep"), 0o755))
	})
	want = []string{"5 a/ 755 0:0 1000", "5 a/b/ 755 0:0 1000", "0 a/b/used 644 0:0 1000 x", "5 var/ 755 0:0 1000"}
	if d := cmp.Diff(want, s.members(l)); d != "" {
		t.Errorf("without stubs (-want +got):\n%s", d)
	}
	if st, err := os.Stat(s.s.diffDir(l.ID)); err != nil || st.ModTime().UnixNano() != 1000e9 {
		t.Errorf("the root directory's time is %v, not the parent's: %v", st.ModTime(), err)
	}
	o = CommitOptions{Clamp: &epoch}
	l, _ = s.step(o, func(root string) error {
		p := func(n string) string { return filepath.Join(root, n) }
		listener, err := net.Listen("unix", p("socket"))
		if err != nil {
			return err
		}
		return each(os.RemoveAll(p("a/b")), os.Mkdir(p("a/b"), 0o755), os.WriteFile(p("a/b/h"), []byte("h"), 0o644), // opaque
			os.Remove(p("c/g")), os.Mkdir(p("n"), 0o755), os.WriteFile(p("n/1"), []byte("l"), 0o644), os.Link(p("n/1"), p("n/0")),
			unix.Setxattr(p("n"), "user.x", []byte("y"), 0), unix.Mkfifo(p("pipe"), 0o640), os.Chmod(root, 0o750), listener.Close(),
			unix.Mknod(p("sock2"), unix.S_IFSOCK|0o600, 0),
			// As overlay does with other options: opaque, with nothing below.
			unix.Setxattr(filepath.Join(filepath.Dir(root), "upper/n"), archive.UserOverlay+"opaque", []byte("y"), 0))
	})
	want = []string{
		"5 ./ 750 0:0 1000", "5 a/ 755 0:0 1000", "5 a/b/ 755 0:0 1000", "0 a/b/.wh..wh..opq 0 0:0 1000", "0 a/b/h 644 0:0 1000 h",
		"5 c/ 711 3:4 1000", "0 c/.wh.g 0 0:0 1000", `5 n/ 755 0:0 1000 user.x="y"`, "0 n/0 644 0:0 1000 l", "1 n/1 644 0:0 1000 -> n/0", "6 pipe 640 0:0 1000",
	}
	if d := cmp.Diff(want, s.members(l)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

// A commit's stream, applied elsewhere, gives the same layer and the same files, including
// times.
func TestApplyWhatWasCommitted(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	a, b := openStoreAt(t, t.TempDir()), openStoreAt(t, t.TempDir())
	top, _ := buildSample(t, a)
	chain, err := a.Chain(top.ID)
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for _, l := range chain {
		var buf bytes.Buffer
		if err := a.WriteTar(l, &buf); err != nil {
			t.Fatal(err)
		}
		got, err := b.Apply(t.Context(), parent, &buf, l.DiffID)
		if err != nil {
			t.Fatal(err)
		}
		if got != l {
			t.Errorf("applied %+v, committed %+v", got, l)
		}
		if err := sameTrees(b.diffDir(got.ID), a.diffDir(l.ID)); err != nil {
			t.Error(err)
		}
		parent = got.ID
	}
	if _, err := b.Apply(t.Context(), "", strings.NewReader(""), chain[1].DiffID); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a stream of another digest: %v", err)
	}
}

func TestDeepAndLong(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := &stepper{T: t, s: openStore(t)}
	for i := range 130 { // more than fit into one page of mount options
		s.step(CommitOptions{}, func(root string) error {
			return os.WriteFile(filepath.Join(root, fmt.Sprint("f", i)), nil, 0o644)
		})
	}
	root, release, err := s.s.View(t.Context(), s.top.ID)
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(root)
	if err != nil || len(names) != 130 {
		t.Errorf("%d files, %v", len(names), err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	l, _ := s.step(CommitOptions{}, func(root string) error { // deeper than the longest path
		fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
		name := strings.Repeat("d", 60)
		for range 200 {
			if err == nil {
				err = unix.Mkdirat(fd, name, 0o755)
			}
			next := -1
			if err == nil {
				next, err = unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
			}
			unix.Close(fd)
			fd = next
		}
		return err
	})
	if n := len(s.members(l)); n != 200 {
		t.Errorf("%d entries of a deep tree", n)
	}
}

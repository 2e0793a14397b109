// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/oci"
)

// openKind opens a store with a kind of snapshots; it works only in a namespace.
func openKind(t testing.TB, k snapshot.Kind) *Store {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Snapshots: k})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Both drivers make identical layers of the same changes.
func TestDriversMakeTheSameLayers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	overlays, copies := openKind(t, snapshot.Overlay), openKind(t, snapshot.Copy)
	rounds := uint64(20)
	if testing.Short() {
		rounds = 5
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 11))
		a, b := &stepper{T: t, s: overlays}, &stepper{T: t, s: copies}
		var log []string
		for step := range 5 {
			if !sameStep(t, r, a, b, &log) {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// sameStep makes the same random changes to a snapshot of each store, and compares the
// layers. Log lists all changes since scratch.
func sameStep(t *testing.T, r *rand.Rand, a, b *stepper, log *[]string) bool {
	t.Helper()
	x, y := prepared(a), prepared(b)
	if err := sameTrees(x.Root(), y.Root()); err != nil {
		t.Errorf("the roots differ: %v", err)
		return false
	}
	m := &mess{r: r, roots: []string{x.Root(), y.Root()}, linked: linkedFiles(t, x.Root())}
	for range 3 + r.IntN(12) {
		*log = append(*log, m.something(t))
	}
	*log = append(*log, "commit")
	clamp := int64(1000)
	one, changed, err := a.s.Commit(t.Context(), x, CommitOptions{Clamp: &clamp})
	if err != nil {
		t.Error(err, *log)
		return false
	}
	two, changed2, err := b.s.Commit(t.Context(), y, CommitOptions{Clamp: &clamp})
	if err != nil {
		t.Error(err, *log)
		return false
	}
	if one.DiffID != two.DiffID || changed != changed2 {
		t.Errorf("changed %v, %v; (-overlay +copy):\n%s\nafter:\n%q", changed, changed2, cmp.Diff(a.members(one), b.members(two)), *log)
		return false
	}
	a.top, b.top = one, two
	return true
}

func prepared(s *stepper) *Working {
	s.Helper()
	w, err := s.s.Prepare(s.Context(), s.top.ID)
	if err != nil {
		s.Fatal(err)
	}
	return w
}

// linkedFiles are the files with several names. A write in place changes all names in a
// copy, but only one on an overlay mount.
func linkedFiles(t *testing.T, root string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(p, &st) == nil && st.Nlink > 1 && !d.IsDir() {
			rel, _ := filepath.Rel(root, p)
			out[rel] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mess makes random changes to several roots.
type mess struct {
	r      *rand.Rand
	roots  []string
	linked map[string]bool
}

// path is one of few paths, so that changes collide.
func (m *mess) path() string {
	p := ""
	for range 1 + m.r.IntN(3) {
		p = filepath.Join(p, string(rune('a'+m.r.IntN(4))))
	}
	return p
}

// something makes one change to all roots and says which.
func (m *mess) something(t *testing.T) string {
	t.Helper()
	p, q, n := m.path(), m.path(), m.r.IntN(3)
	things := []struct {
		name string
		f    func(root string) error
	}{
		{"write", func(root string) error { return m.write(root, p, fmt.Sprint(n)) }},
		{"write", func(root string) error { return m.write(root, p, fmt.Sprint(n)) }},
		{"replace", func(root string) error {
			tmp := filepath.Join(root, "tmp")
			return each(os.WriteFile(tmp, []byte(fmt.Sprint(n)), 0o644), os.Rename(tmp, filepath.Join(root, p)), removeAll(tmp))
		}},
		{"sparse", func(root string) error { return m.sparse(root, p, int64(n+1)<<20) }},
		{"mkdir", func(root string) error { return os.MkdirAll(filepath.Join(root, p), 0o755) }},
		{"mkdir", func(root string) error { return os.MkdirAll(filepath.Join(root, p), 0o755) }},
		{"remove", func(root string) error { return removeAll(filepath.Join(root, p)) }},
		{"anew", func(root string) error {
			return each(removeAll(filepath.Join(root, p)), os.MkdirAll(filepath.Join(root, p, "a"), 0o755))
		}},
		{"symlink", func(root string) error { return os.Symlink(q, filepath.Join(root, p)) }},
		{"fifo", func(root string) error { return unix.Mkfifo(filepath.Join(root, p), 0o600) }},
		{"socket", func(root string) error { // not in tar: the directory's time stays
			file := filepath.Join(root, p)
			if err := unix.Mknod(file, unix.S_IFSOCK|0o600, 0); err != nil {
				return err
			}
			return setTimes(file, 1, 0)
		}},
		{"link", func(root string) error {
			if m.linked[p] {
				return nil
			}
			return os.Link(filepath.Join(root, p), filepath.Join(root, q))
		}},
		{"rename", func(root string) error { return os.Rename(filepath.Join(root, p), filepath.Join(root, q)) }},
		{"mode", func(root string) error {
			return m.meta(root, p, func(f string) error { return unix.Chmod(f, 0o600+uint32(n)) })
		}},
		{"owner", func(root string) error { return m.meta(root, p, func(f string) error { return os.Lchown(f, n, 2*n) }) }},
		{"time", func(root string) error {
			return m.meta(root, p, func(f string) error { return setTimes(f, int64(n), n*7) })
		}},
		{"xattr", func(root string) error {
			return m.meta(root, p, func(f string) error { return unix.Lsetxattr(f, "user.note", []byte{byte(n)}, 0) })
		}},
		{"no xattr", func(root string) error {
			return m.meta(root, p, func(f string) error { return unix.Lremovexattr(f, "user.note") })
		}},
		{"mode of all", func(root string) error { return chmodAll(root, 0o700+uint32(n)) }},
		{"as it was", func(root string) error { return m.again(root, p) }},
	}
	thing := things[m.r.IntN(len(things))]
	first := thing.f(m.roots[0])
	for _, root := range m.roots[1:] {
		if errors.Is(first, unix.EXDEV) { // overlay does not rename lower directories
			break
		}
		if err := thing.f(root); (err == nil) != (first == nil) {
			t.Errorf("%s %s %s: %v, other %v", thing.name, p, q, first, err)
		}
	}
	return fmt.Sprintf("%s %s %s %d: %v", thing.name, p, q, n, first == nil)
}

func (m *mess) write(root, p, data string) error {
	if m.linked[p] {
		return nil
	}
	var st unix.Stat_t
	if unix.Lstat(filepath.Join(root, p), &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("not a file")
	}
	return os.WriteFile(filepath.Join(root, p), []byte(data), 0o644)
}

func (m *mess) sparse(root, p string, size int64) error {
	if m.linked[p] {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(root, p), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("x"), size/2)
	return each(err, f.Truncate(size), f.Close())
}

func (m *mess) meta(root, p string, f func(string) error) error {
	var st unix.Stat_t
	file := filepath.Join(root, p)
	if err := unix.Lstat(file, &st); err != nil || m.linked[p] || st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return err
	}
	return f(file)
}

// again writes a file with the content that it has.
func (m *mess) again(root, p string) error {
	file := filepath.Join(root, p)
	var st unix.Stat_t
	if err := unix.Lstat(file, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || m.linked[p] {
		return err
	}
	data, err := os.ReadFile(file)
	return each(err, os.WriteFile(file, data, 0o644), setTimes(file, int64(st.Mtim.Sec), int(st.Mtim.Nsec)))
}

func setTimes(file string, sec int64, nsec int) error {
	ts := unix.Timespec{Sec: sec, Nsec: int64(nsec)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, file, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// chmodAll is chmod -R for files, by every name of each.
func chmodAll(root string, mode uint32) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return unix.Chmod(p, mode)
	})
}

// An overlay mount and a copy show the same files of layers, also in views.
func TestViewsOfBothDrivers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openKind(t, snapshot.Copy)
	st := &stepper{T: t, s: s}
	st.step(CommitOptions{}, func(root string) error {
		return each(os.MkdirAll(filepath.Join(root, "d/e"), 0o750), os.WriteFile(filepath.Join(root, "d/f"), []byte("one"), 0o4755),
			os.Link(filepath.Join(root, "d/f"), filepath.Join(root, "g")), os.Symlink("g", filepath.Join(root, "h")), os.Chown(filepath.Join(root, "h"), 1, 2))
	})
	top, _ := st.step(CommitOptions{}, func(root string) error {
		return each(os.RemoveAll(filepath.Join(root, "d/e")), os.WriteFile(filepath.Join(root, "new"), nil, 0o600))
	})
	var roots []string
	ovl, err := snapshot.New(snapshot.Overlay, snapshot.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []snapshot.Driver{s.driver, ovl, s.driver} {
		s.driver = d
		root, release, err := s.View(t.Context(), top.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := release(); err != nil {
				t.Error(err)
			}
		}()
		if err := os.WriteFile(filepath.Join(root, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("a view that can be written to: %v", err)
		}
		roots = append(roots, root)
	}
	if err := errors.Join(sameTrees(roots[0], roots[1]), sameTrees(roots[0], roots[2])); err != nil {
		t.Error(err)
	}
}

// A directory that replaces another keeps its contents, even if they are the same as
// before.
func TestDirectoryAnew(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, k := range snapshot.Kinds() {
		s := &stepper{T: t, s: openKind(t, k)}
		epoch := int64(1000)
		o := CommitOptions{Clamp: &epoch}
		s.step(o, func(root string) error {
			return each(os.MkdirAll(filepath.Join(root, "d/x"), 0o755), os.WriteFile(filepath.Join(root, "d/f"), []byte("one"), 0o644), os.WriteFile(filepath.Join(root, "d/g"), nil, 0o644))
		})
		l, _ := s.step(o, func(root string) error {
			return each(os.RemoveAll(filepath.Join(root, "d")), os.MkdirAll(filepath.Join(root, "d/x"), 0o755), os.WriteFile(filepath.Join(root, "d/f"), []byte("one"), 0o644))
		})
		want := []string{"5 d/ 755 0:0 1000", "0 d/.wh..wh..opq 0 0:0 1000", "0 d/f 644 0:0 1000 one", "5 d/x/ 755 0:0 1000"}
		if diff := cmp.Diff(s.members(l), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", k, diff)
		}
	}
}

// A file written with the same content is not a change; a change at the moment in which
// the snapshot was made is one.
func TestNoChange(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, k := range snapshot.Kinds() {
		s := &stepper{T: t, s: openKind(t, k)}
		epoch := int64(1000)
		o := CommitOptions{Clamp: &epoch}
		file := func(root string) string { return filepath.Join(root, "d/f") }
		s.step(o, func(root string) error {
			return each(os.MkdirAll(filepath.Join(root, "d"), 0o755), os.WriteFile(file(root), []byte("one"), 0o644))
		})
		if l, changed := s.step(o, func(root string) error {
			return each(os.WriteFile(file(root), []byte("one"), 0o644), os.Chmod(file(root), 0o600), os.Chmod(file(root), 0o644))
		}); changed {
			t.Errorf("%s: %q", k, s.members(l))
		}
		l, changed := s.step(o, func(root string) error { return os.WriteFile(file(root), []byte("two"), 0o644) })
		if !changed || !slices.Contains(s.members(l), "0 d/f 644 0:0 1000 two") {
			t.Errorf("%s: %q", k, s.members(l))
		}
	}
}

// Owner records forged by a step or a tar stream are neither believed nor passed on,
// whatever made the snapshot. Nor are forged marks of a layer.
func TestRecordsOfStepsAreNotBelieved(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	forged := map[string]string{
		"user.containers.override_stat": "33:33:4755:file", "user.fuseoverlayfs.override_stat": "33:33:104755", "user.carosbuild.fake.x": "y",
		"user.overlay.whiteout": "y", "user.overlay.opaque": "y", "user.overlay.redirect": "/etc",
	}
	for _, k := range snapshot.Kinds() {
		s := &stepper{T: t, s: openKind(t, k)}
		epoch := int64(1000)
		l, _ := s.step(CommitOptions{Clamp: &epoch}, func(root string) error {
			err := each(os.Mkdir(filepath.Join(root, "d"), 0o755), os.WriteFile(filepath.Join(root, "d/f"), nil, 0o644), os.WriteFile(filepath.Join(root, "g"), []byte("1"), 0o644))
			for name, value := range forged {
				for _, f := range []string{"d", "d/f", "g"} {
					if e := unix.Setxattr(filepath.Join(root, f), name, []byte(value), 0); e != nil && e != unix.EPERM && e != unix.ENOTSUP {
						err = errors.Join(err, e)
					}
				}
			}
			return err
		})
		want := []string{"5 ./ 755 0:0 1000", "5 d/ 755 0:0 1000", "0 d/f 644 0:0 1000", "0 g 644 0:0 1000 1"}
		if diff := cmp.Diff(s.members(l), want); diff != "" {
			t.Errorf("%s, committed (-got +want):\n%s", k, diff)
		}
		notIn(t, s.s, l, forged)

		stream := tarOf(t, func(w *tar.Writer) error {
			h := &tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o644, PAXRecords: map[string]string{}, Format: tar.FormatPAX}
			for name, value := range forged {
				h.PAXRecords[archive.PAXXattr+name] = value
			}
			return w.WriteHeader(h)
		})
		applied, err := s.s.Apply(t.Context(), "", bytes.NewReader(stream), oci.Digest{})
		if err != nil {
			t.Fatal(err)
		}
		notIn(t, s.s, applied, forged)
	}
}

// notIn fails if a file of a layer has one of the attributes, or another owner.
func notIn(t *testing.T, s *Store, l Layer, attrs map[string]string) {
	t.Helper()
	err := filepath.WalkDir(s.diffDir(l.ID), func(p string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(p, &st)
		}
		if st.Uid != 0 || st.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", p, st.Uid, st.Gid)
		}
		for name := range attrs {
			if name == s.format.Prefix+"opaque" { // overlay's own, on each new directory
				continue
			}
			if _, e := unix.Lgetxattr(p, name, nil); e == nil {
				t.Errorf("%s has %s", p, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func tarOf(t *testing.T, f func(*tar.Writer) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := errors.Join(f(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A file with several names below gets an inode for each if all are changed; a new name
// brings the file into the layer.
func TestFilesWithSeveralNames(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, k := range snapshot.Kinds() {
		s := &stepper{T: t, s: openKind(t, k)}
		epoch := int64(1000)
		o := CommitOptions{Clamp: &epoch}
		in := func(root string, name string) string { return filepath.Join(root, name) }
		s.step(o, func(root string) error {
			return each(os.WriteFile(in(root, "a"), []byte("1"), 0o644), os.Link(in(root, "a"), in(root, "b")), os.WriteFile(in(root, "c"), []byte("2"), 0o644), os.WriteFile(in(root, "e"), nil, 0o644))
		})
		l, _ := s.step(o, func(root string) error {
			return each(os.Chmod(in(root, "a"), 0o600), os.Chmod(in(root, "b"), 0o600), os.Link(in(root, "c"), in(root, "d")))
		})
		want := []string{"0 a 600 0:0 1000 1", "0 b 600 0:0 1000 1", "0 c 644 0:0 1000 2", "1 d 644 0:0 1000 -> c"}
		if diff := cmp.Diff(s.members(l), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", k, diff)
		}
	}
}

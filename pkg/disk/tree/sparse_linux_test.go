// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// mergePlain reads an archive of a root file system.
func mergePlain(t testing.TB, b []byte) (*Tree, error) {
	t.Helper()
	layers := asLayers(b)
	layers[0].Plain = true
	return Merge(t.Context(), layers, 0, 1)
}

func contentOf(t testing.TB, e *Entry) string {
	t.Helper()
	b := make([]byte, e.Size)
	if e.Size > 0 {
		if n, err := e.Content.ReadAt(b, 0); int64(n) < e.Size {
			t.Fatalf("/%s: %d bytes, %v", e.Path, n, err)
		}
	}
	return string(b)
}

// TestMergeLikeDir packs a directory with GNU tar in all its formats and compares
// with the directory.
func TestMergeLikeDir(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("no tar")
	}
	dir := t.TempDir()
	fill(t, dir)
	src, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	want, err := src.Read(t.Context(), 1700000000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range [][]string{
		{"--format=gnu"},
		{"--format=gnu", "--sparse"},
		{"--format=posix", "--xattrs", "--xattrs-include=*"},
		{"--format=posix", "--sparse", "--sparse-version=0.0"},
		{"--format=posix", "--sparse", "--sparse-version=0.1"},
		{"--format=posix", "--sparse", "--sparse-version=1.0"},
	} {
		t.Run(strings.Join(form, " "), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "tar")
			args := slices.Concat([]string{"-C", dir, "--numeric-owner", "-cf", out}, form, []string{"."})
			if b, err := exec.CommandContext(t.Context(), "tar", args...).CombinedOutput(); err != nil {
				t.Fatalf("tar: %v\n%s", err, b)
			}
			f, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			fi, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			for _, archive := range []bool{true, false} { // of a root file system, or a layer
				got, err := Merge(t.Context(), []Layer{{Name: "tar", Tar: f, Size: fi.Size(), Plain: archive}}, 1700000000, 1)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plain(t, got, form), plain(t, want, form)); diff != "" {
					t.Errorf("archive (-), directory (+):\n%.3000s", diff)
				}
			}
		})
	}
}

// plain is a tree with its contents as text, and without what an archive of that
// format cannot store.
func plain(t *testing.T, tr *Tree, form []string) []string {
	var out []string
	for _, e := range tr.Entries {
		text := contentOf(t, &e)
		e.Content = nil
		if form[0] == "--format=gnu" {
			e.MtimeNsec = 0
		}
		if !slices.Contains(form, "--xattrs") {
			e.Xattrs = nil
		}
		out = append(out, fmt.Sprintf("%+v %x", e, sumOf(text)))
	}
	return out
}

func sumOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// fill makes a directory with files that are sparse in many ways.
func fill(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 8))
	must(os.MkdirAll(filepath.Join(dir, "d", strings.Repeat("long", 50)), 0o750))
	for i := range 30 {
		f, err := os.Create(filepath.Join(dir, "d", fmt.Sprint(i)))
		must(err)
		for range rnd.IntN(4) * i {
			_, err := f.WriteAt(bytes.Repeat([]byte{byte(1 + i)}, 1+rnd.IntN(90000)), rnd.Int64N(1<<22)&^rnd.Int64N(1<<17))
			must(err)
		}
		must(f.Truncate(rnd.Int64N(1 << 22)))
		must(f.Close())
		must(os.Chtimes(f.Name(), time.Time{}, time.Unix(1600000000+int64(i), 77)))
	}
	must(os.Link(filepath.Join(dir, "d/7"), filepath.Join(dir, "a")))
	must(os.Link(filepath.Join(dir, "d/8"), filepath.Join(dir, "z")))
	must(os.Symlink("/etc/"+strings.Repeat("x", 200), filepath.Join(dir, "l")))
	must(os.WriteFile(filepath.Join(dir, "d", strings.Repeat("long", 50), "\xff\n\x01"), nil, 0o600))
	must(unix.Mkfifo(filepath.Join(dir, "p"), 0o600))
	if os.Geteuid() == 0 {
		must(unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(unix.Lchown(filepath.Join(dir, "d/3"), 3000000, 70000))
		must(unix.Lsetxattr(filepath.Join(dir, "d/4"), "user.x", []byte("a\x00b"), 0))
	}
}

// TestSparseHuge has a logical size of nearly 8 EiB.
func TestSparseHuge(t *testing.T) {
	const size = 1<<63 - 1
	tr, err := mergePlain(t, append(inFront(size, fmt.Sprintf("1\n%d\n4\n", int64(size-4)), "data"), pack(t, reg("z", "behind"))...))
	if err != nil {
		t.Fatal(err)
	}
	e := tr.Entries[1]
	if want := []Range{{(size - 4) / HoleSize * HoleSize, size % HoleSize}}; e.Path != "sparse" || e.Size != size || !cmp.Equal(e.Data, want) {
		t.Errorf("got %+v, want ranges %v", e, want)
	}
	got := make([]byte, 10)
	if n, err := e.Content.ReadAt(got, size-8); n != 8 || err != io.EOF || string(got[:8]) != "\x00\x00\x00\x00data" {
		t.Errorf("read %d bytes, %v: %q", n, err, got)
	}
	if len(tr.Entries) != 3 || contentOf(t, &tr.Entries[2]) != "behind" {
		t.Errorf("what is behind it: %v", tr.Entries[2:])
	}
}

// inFront is a sparse file of PAX version 1.0: its table, followed by the data.
func inFront(size int64, table, data string) []byte {
	padded := func(s string) string { return s + strings.Repeat("\x00", (512-len(s)%512)%512) }
	records := ""
	for _, r := range [][2]string{{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"}, {"GNU.sparse.realsize", fmt.Sprint(size)}} {
		records += fmt.Sprintf("%d %s=%s\n", len(r[0])+len(r[1])+5, r[0], r[1]) // lengths of two digits
	}
	table = padded(table)
	return []byte(rawHeader(tar.TypeXHeader, len(records)) + padded(records) + rawHeader(tar.TypeReg, len(table)+len(data)) + table + padded(data))
}

func rawHeader(kind byte, size int) string {
	h := make([]byte, 512)
	copy(h, "name")
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	seal(h)
	return string(h)
}

// TestSparseRefuses has invalid tables; archive/tar refuses most of them, too.
func TestSparseRefuses(t *testing.T) {
	for name, table := range map[string]string{
		"more than there is": "1\n0\n600\n",
		"beyond the end":     "1\n999\n4\n",
		"overlap":            "2\n0\n2\n1\n2\n",
		"negative":           "1\n-1\n4\n",
		"too many":           "99999999999\n",
		"no table":           "x",
	} {
		if tr, err := mergePlain(t, inFront(1000, table, "data")); err == nil {
			t.Errorf("%s was taken: %+v", name, tr.Entries[1])
		}
	}
	if _, err := Merge(t.Context(), asLayers(bytes.ReplaceAll(inFront(1000, "1\n0\n4\n", "data"), []byte("major=1"), []byte("major=2"))), 0, 1); err == nil || !strings.Contains(err.Error(), `sparse file of version "2.0"`) {
		t.Errorf("sparse file of another version: %v", err)
	}
}

// FuzzPlain accepts any archive; the result is a tree that can be read.
func FuzzPlain(f *testing.F) {
	f.Add(pack(f, reg("f", "content"), hard("a", "f"), sym("s", "x"), dir("d")))
	f.Add(append(inFront(1<<20, "2\n0\n1\n1048573\n3\n", "data"), pack(f, reg("z", "behind"))...))
	old := pack(f, reg("old", "data"))
	old[156] = 'S'
	copy(old[257:], "ustar  \x00")
	copy(old[386:], "00000010000\x0000000000004\x00")
	copy(old[483:], "00000010004\x00")
	seal(old)
	f.Add(old)
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := mergePlain(t, b)
		if err != nil {
			return
		}
		checkTree(t, tr)
		for _, e := range tr.Entries {
			if e.Size == 0 {
				continue
			}
			p := make([]byte, min(e.Size, 1<<16))
			if n, err := e.Content.ReadAt(p, e.Size-int64(len(p))); n < len(p) {
				t.Fatalf("/%s: %d of %d bytes, %v", e.Path, n, len(p), err)
			}
		}
	})
}

// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestCompare(t *testing.T) {
	want := []string{"", "a", "a/b", "a/b/c", "a/b.d", "a!b", "a.b", "ab", "b"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("order (-got +want):\n%s", diff)
	}
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, data []byte, mode os.FileMode) {
		t.Helper()
		must(os.WriteFile(filepath.Join(dir, name), data, 0o600))
		must(os.Chmod(filepath.Join(dir, name), mode))
	}
	must(os.MkdirAll(filepath.Join(dir, "d/e"), 0o755))
	write("d/e/f", []byte("hello"), 0o640)
	write("d.x", nil, 0o755|os.ModeSetuid)
	must(os.Link(filepath.Join(dir, "d/e/f"), filepath.Join(dir, "z")))
	must(os.Symlink("../nowhere", filepath.Join(dir, "d/l")))
	must(unix.Mkfifo(filepath.Join(dir, "p"), 0o600))
	must(unix.Lsetxattr(filepath.Join(dir, "d.x"), "user.k", []byte("v"), 0))
	// Data at 3 MiB and in the last, partial block; zeros written out at 1 MiB.
	sparse := make([]byte, 5<<20+100)
	sparse[3<<20+70000], sparse[5<<20+99] = 1, 1
	f, err := os.Create(filepath.Join(dir, "s"))
	must(err)
	_, err = f.WriteAt(sparse[1<<20:4<<20], 1<<20)
	must(err)
	_, err = f.WriteAt(sparse[5<<20:], 5<<20)
	must(err)
	must(f.Close())
	when := time.Unix(1000, 5)
	for _, name := range []string{"d/e/f", "d.x", "d/e", "d", ""} {
		must(os.Chtimes(filepath.Join(dir, name), when, when))
	}

	src, err := OpenDir(dir)
	must(err)
	defer src.Close()
	got, err := src.Read(t.Context(), 2000, 3)
	must(err)

	var lines []string
	for _, e := range got.Entries {
		lines = append(lines, fmt.Sprintf("%q %q %q %o %d.%d %d %v %d xattrs", e.Path, e.Hardlink, e.Link, e.Mode, e.Mtime, e.MtimeNsec, e.Size, e.Data, len(e.Xattrs)))
	}
	want := []string{
		`"" "" "" 40755 1000.5 0 [] 0 xattrs`,
		`"d" "" "" 40755 1000.5 0 [] 0 xattrs`,
		`"d/e" "" "" 40755 1000.5 0 [] 0 xattrs`,
		`"d/e/f" "" "" 100640 1000.5 5 [] 0 xattrs`,
		`"d/l" "" "../nowhere" 120777 2000.0 0 [] 0 xattrs`,
		`"d.x" "" "" 104755 1000.5 0 [] 1 xattrs`,
		`"p" "" "" 10600 2000.0 0 [] 0 xattrs`,
		fmt.Sprintf(`"s" "" "" 100%o 2000.0 5242980 [{3211264 65536} {5242880 100}] 0 xattrs`, mode(t, filepath.Join(dir, "s"))),
		`"z" "d/e/f" "" 0 0.0 0 [] 0 xattrs`,
	}
	if diff := cmp.Diff(lines, want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
	for _, e := range got.Entries {
		if e.Path != "s" {
			continue
		}
		b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
		if err != nil || !bytes.Equal(b, sparse) {
			t.Errorf("content of the sparse file differs (%v)", err)
		}
	}
}

func mode(t *testing.T, name string) os.FileMode {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode().Perm()
}

// The same content gives the same ranges, whatever its layout.
func TestReadDirLayout(t *testing.T) {
	data := make([]byte, 3*HoleSize)
	data[HoleSize] = 1
	var ranges [2][]Range
	for i, name := range []string{"dense", "sparse"} {
		dir := t.TempDir()
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "sparse" {
			_, err = f.WriteAt(data[HoleSize:HoleSize+1], HoleSize)
			if err == nil {
				err = f.Truncate(int64(len(data)))
			}
		} else {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		src, err := OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		got, err := src.Read(t.Context(), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		ranges[i] = got.Entries[1].Data
	}
	want := []Range{{HoleSize, HoleSize}}
	if diff := cmp.Diff(ranges, [2][]Range{want, want}); diff != "" {
		t.Errorf("ranges (-got +want):\n%s", diff)
	}
}

// TestReadMemory bounds the allocations for each file below many directories:
// entries are not copied once for each level.
func TestReadMemory(t *testing.T) {
	const files, depth = 2000, 12
	root := t.TempDir()
	dir := filepath.Join(root, strings.Repeat("d/", depth))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	src, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tr, err := src.Read(t.Context(), 0, 1)
	runtime.ReadMemStats(&after)
	if err != nil || len(tr.Entries) != files+depth+1 {
		t.Fatal(len(tr.Entries), err)
	}
	if got := (after.TotalAlloc - before.TotalAlloc) / files; got > 1000 {
		t.Errorf("%d bytes a file, want at most 1000", got)
	} else {
		t.Logf("%d bytes a file", got)
	}
}

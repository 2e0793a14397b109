// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// openFS opens a file system in a file.
func openFS(t testing.TB, path string) *FS {
	t.Helper()
	f, err := Open(disktest.File(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readTree(t testing.TB, f *FS) *tree.Tree {
	t.Helper()
	tr, err := f.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func contentOf(t testing.TB, e *tree.Entry) string {
	t.Helper()
	if e.Content == nil {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
	if err != nil || int64(len(b)) != e.Size {
		t.Fatalf("/%s: %d of %d bytes, %v", e.Path, len(b), e.Size, err)
	}
	return string(b)
}

// sameTree compares the tree that was read with the one that was written; got may
// have a lost+found of its own.
func sameTree(t testing.TB, want, got *tree.Tree) {
	t.Helper()
	g := &tree.Tree{}
	_, has := want.Lookup("lost+found")
	for _, e := range got.Entries {
		if e.Path == "lost+found" && has != nil {
			continue
		}
		g.Entries = append(g.Entries, e)
	}
	w := &tree.Tree{}
	for _, e := range want.Entries {
		if e.Hardlink != "" {
			e = tree.Entry{Path: e.Path, Hardlink: e.Hardlink}
		}
		e.Mode &= 0xFFFF
		w.Entries = append(w.Entries, e)
	}
	opts := cmp.Options{cmpopts.IgnoreFields(tree.Entry{}, "Content", "Data"), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(w, g, opts); diff != "" {
		t.Fatalf("tree (-want +got):\n%s", diff[:min(len(diff), 6000)])
	}
	for i := range w.Entries {
		a, b := &w.Entries[i], &g.Entries[i]
		if a.Size > 1<<20 || a.Hardlink != "" || a.Type() != tree.Regular || a.Content == nil {
			continue
		}
		if contentOf(t, a) != contentOf(t, b) {
			t.Errorf("/%s: contents differ", a.Path)
		}
	}
}

// TestReadRandom reads back what the writer has made of random trees.
func TestReadRandom(t *testing.T) {
	for seed := range uint64(3) {
		tr := randomTree(rand.New(rand.NewPCG(seed, 1)), 300)
		m, err := Build(tr, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(m, m.Size())
		if err != nil {
			t.Fatal(err)
		}
		sameTree(t, tr, readTree(t, f))
	}
}

// sourceDir is a directory for mke2fs -d.
func sourceDir(t testing.TB) string {
	t.Helper()
	src := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	put("a/b/c/file", "content")
	put("empty", "")
	put("big", string(make([]byte, 3<<20))+strings.Repeat("end", 100000))
	for i := range 300 {
		put(fmt.Sprintf("a/b/%0*d", 10+i/2, i), fmt.Sprint(i))
	}
	for name, target := range map[string]string{"short": "a/b", "long": strings.Repeat("a/b/../../", 20)} {
		if err := os.Symlink(target, filepath.Join(src, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(src, "a/b/c/file"), filepath.Join(src, "twice")); err != nil {
		t.Fatal(err)
	}
	return src
}

// foreignKinds are the options for mke2fs.
var foreignKinds = []struct {
	name string
	args []string
}{
	{"default", nil},
	{"old", []string{"-O", "^64bit,^metadata_csum"}},
	{"crc16", []string{"-O", "^64bit,^metadata_csum,uninit_bg"}},
	{"ext3", []string{"-t", "ext3"}},
	{"ext2", []string{"-t", "ext2"}},
	{"ext2, small blocks and inodes", []string{"-t", "ext2", "-b", "1024", "-I", "128"}},
	{"small blocks", []string{"-b", "1024"}},
	{"2 KiB", []string{"-b", "2048", "-I", "512"}},
	{"meta_bg", []string{"-O", "meta_bg,^resize_inode", "-b", "1024"}},
	{"no journal, no flex_bg", []string{"-O", "^has_journal,^flex_bg,^resize_inode"}},
	{"sparse_super2", []string{"-O", "sparse_super2,^resize_inode"}},
	{"seed, orphan_file", []string{"-O", "metadata_csum_seed,orphan_file"}},
	{"quota, project", []string{"-O", "quota,project"}},
	{"large directories, case", []string{"-O", "large_dir,casefold"}},
	{"inline_data", []string{"-O", "inline_data"}},
	{"inline_data, large inodes, no checksums", []string{"-O", "inline_data,^metadata_csum", "-I", "1024"}},
	{"ea_inode", []string{"-O", "ea_inode"}},
	{"bigalloc", []string{"-O", "bigalloc", "-C", "65536"}},
	{"bigalloc, small blocks", []string{"-O", "bigalloc", "-b", "1024", "-C", "16384"}},
	{"bigalloc, no checksums", []string{"-O", "bigalloc,^metadata_csum,^64bit", "-b", "2048", "-C", "8192"}},
	{"mmp", []string{"-O", "mmp"}},
	{"encrypt, verity", []string{"-O", "encrypt,verity"}},
	{"fewer than eleven inodes in a group", []string{"-b", "1024", "-g", "1024", "-N", "512", "-O", "^resize_inode,^flex_bg", "-I", "1024"}},
}

// foreignFS makes a file system from a directory with mke2fs.
func foreignFS(t testing.TB, src string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	if len(args) == 0 || args[0] != "-t" {
		args = append([]string{"-t", "ext4"}, args...)
	}
	tool(t, "mke2fs", append(append([]string{"-q", "-d", src}, args...), path, "64M")...)
	return path
}

// TestReadMke2fs reads and checks what mke2fs makes of a directory, with all
// options.
func TestReadMke2fs(t *testing.T) {
	src := sourceDir(t)
	d, err := tree.OpenDir(src)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want, err := d.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Entries {
		want.Entries[i].MtimeNsec = 0
	}
	for _, tt := range foreignKinds {
		t.Run(tt.name, func(t *testing.T) {
			f := openFS(t, foreignFS(t, src, tt.args...))
			disktest.Clean(t, f)
			got := readTree(t, f)
			for i := range got.Entries {
				got.Entries[i].MtimeNsec = 0
			}
			// mke2fs sets owner and time of the root itself.
			got.Entries[0] = want.Entries[0]
			sameTree(t, want, got)
		})
	}
}

// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// open reads an image as a tree.
func openFS(t testing.TB, path string) *FS {
	t.Helper()
	s, err := Open(disktest.File(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, path string) *tree.Tree {
	t.Helper()
	tr, err := openFS(t, path).Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestRead(t *testing.T) {
	for seed := range uint64(6) {
		tr := randomTree(rand.New(rand.NewPCG(seed, 6)), 150)
		got := open(t, build(t, tr, Options{Time: 5}))
		if diff := cmp.Diff(disktest.Entries(t, got), disktest.Entries(t, tr)); diff != "" {
			t.Fatalf("seed %d: read (-), tree (+):\n%.3000s", seed, diff)
		}
	}
}

// TestReadMkfs reads the output of mkfs.erofs for an unpacked tree.
func TestReadMkfs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not the superuser")
	}
	rnd := rand.New(rand.NewPCG(3, 6))
	first := build(t, randomTree(rnd, 100), Options{Time: 5})
	dir := filepath.Join(t.TempDir(), "out")
	tool(t, "fsck.erofs", "-d1", "--extract="+dir, first)
	for _, f := range []string{"a", "b", "c"} { // with an attribute that mkfs.erofs makes them share
		if err := os.WriteFile(filepath.Join(dir, f+"-shared"), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(filepath.Join(dir, f+"-shared"), "user.shared", []byte("the same"), 0); err != nil {
			t.Fatal(err)
		}
	}
	src, err := tree.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tr, err := src.Read(t.Context(), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := disktest.Entries(t, tr)
	for _, args := range []string{"", "-x1", "-Eforce-inode-compact -T5 --all-root", "-Eforce-inode-extended,noinline_data", "--chunksize=4096", "--chunksize=65536"} {
		out := filepath.Join(t.TempDir(), "fs")
		tool(t, "mkfs.erofs", append(strings.Fields(args), out, dir)...)
		f := openFS(t, out)
		if p := f.Check(t.Context()); len(p) > 0 {
			t.Errorf("%s: %v", args, p)
		}
		if strings.Contains(args, "-T5") {
			continue // other times and owners
		}
		if diff := cmp.Diff(disktest.Entries(t, open(t, out)), want); diff != "" {
			t.Errorf("%s: read (-), directory (+):\n%.3000s", args, diff)
		}
	}
	out := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("compressible ", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "mkfs.erofs", "-zlz4hc", out, dir)
	f := openFS(t, out)
	tr, err = f.Tree()
	if p := f.Check(t.Context()); err != nil || damage.VerdictOf(p) != damage.Unread {
		t.Errorf("compressed: %v, %v", err, p)
	}
	e, err := tr.Lookup("text")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Content.ReadAt(make([]byte, 1), 0); !errors.Is(err, damage.ErrUnread) || e.Size != 65000 {
		t.Errorf("a compressed file: %v, %d bytes", err, e.Size)
	}
}

func TestReadHoles(t *testing.T) {
	const size = 100<<20 + 77
	e := tree.Entry{Path: "huge", Mode: tree.Regular | 0o600, Size: size, Content: disktest.Mark{Size: size, At: 5<<20 + 9}, Data: []tree.Range{{Off: 5<<20 + 5, Len: 10}}}
	path := build(t, disktest.Sorted(e), Options{})
	if diff := cmp.Diff(open(t, path).Entries[1].Data, []tree.Range{{Off: 5 << 20, Len: blockSize}}); diff != "" {
		t.Errorf("ranges (-got +want):\n%s", diff)
	}
	if disktest.Sum(t, open(t, path).Entries[1].Content, size) != disktest.Sum(t, e.Content, size) {
		t.Error("what is read is not what the file is")
	}
}

func TestIdentity(t *testing.T) {
	f := openFS(t, build(t, disktest.Sorted(), Options{Label: "fifteen letters", UUID: someUUID(), Time: 7}))
	if f.Label() != "fifteen letters" || f.ID() != "01020300-0000-0000-0000-000000000009" || f.Time() != 7 || f.Kind() != "erofs" || f.End() != f.Size() {
		t.Errorf("label %q, UUID %s, time %d", f.Label(), f.ID(), f.Time())
	}
	if f = openFS(t, build(t, disktest.Sorted(), Options{})); f.ID() != "" || f.Label() != "" {
		t.Errorf("label %q, UUID %s of none", f.Label(), f.ID())
	}
}

func TestOpenRefuses(t *testing.T) {
	good, err := os.ReadFile(build(t, disktest.Sorted(disktest.Regular("f", "x"), disktest.Regular("g", disktest.Noise(1, 9000))), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, v uint64, n int) []byte {
		b := bytes.Clone(good)
		copy(b[at:at+n], le.AppendUint64(nil, v))
		return b
	}
	const root = 4096
	for _, tt := range []struct {
		name string
		b    []byte
		want error
		text string
	}{
		{"short", good[:1100], ErrFormat, "1100 bytes are too few"},
		{"magic", change(1024, 0, 4), ErrFormat, "magic"},
		{"block size", change(1024+12, 20, 1), ErrFormat, "blocks of 2 to the 20"},
		{"features", change(1024+80, 0x80, 4), damage.ErrUnread, "features 0x80"},
		{"truncated", good[:5000], ErrFormat, "on a device of 5000"},
		{"root", change(1024+14, 60000, 2), ErrFormat, "behind its"},
		{"inode", change(root, 0xffff, 2), ErrFormat, "inode of format 0xffff"},
		{"root is a file", change(root+4, tree.Regular, 2), ErrFormat, "its root is not a directory"},
		{"size", change(root+8, 1<<63, 8), ErrFormat, "bytes and"},
		{"attributes", change(root+2, 60000, 2), ErrFormat, "behind its"},
		{"names", change(root+64+8, 5, 2), ErrFormat, "names of a directory begin at 5"},
		{"name", change(root+64+48, '/', 1), ErrFormat, "is not allowed"},
		{"order", change(root+64+51, 'z', 1), ErrFormat, "is out of order"},
		{"node", change(root+64+24, 1<<40, 8), ErrFormat, "behind its"},
	} {
		f, err := Open(bytes.NewReader(tt.b), int64(len(tt.b)))
		if err == nil {
			_, err = f.Tree()
		}
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.text)
		}
	}
}

// FuzzRead opens random bytes, and reads everything in them.
func FuzzRead(f *testing.F) {
	attr := disktest.Regular("a", "x")
	attr.Xattrs = []tree.Xattr{{Name: "security.capability", Value: []byte("value")}, {Name: "system.posix_acl_access", Value: []byte("\x02\x00\x00\x00")}}
	hole := tree.Entry{Path: "h", Mode: tree.Regular | 0o600, Size: 20000, Data: []tree.Range{{Off: 9000, Len: 2}}, Content: disktest.Mark{Size: 20000, At: 9000}}
	for _, tr := range []*tree.Tree{
		disktest.Sorted(),
		disktest.Sorted(attr, disktest.Dir("d"), disktest.Regular("d/b", disktest.Noise(1, blockSize+9)), tree.Entry{Path: "d/twice", Hardlink: "a"}, hole),
		disktest.Sorted(tree.Entry{Path: "c", Mode: tree.Char, Rdev: tree.Device{Major: 1, Minor: 3}}, tree.Entry{Path: "l", Mode: tree.Symlink, Link: "c"}),
	} {
		b, err := os.ReadFile(build(f, tr, Options{Time: 5}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		tr, _ := s.Tree()
		disktest.ReadTree(t, tr)
		s.Check(t.Context())
	})
}

// TestManyEntries reads more entries than a large distribution has.
func TestManyEntries(t *testing.T) {
	const count = 600_000
	entries := []tree.Entry{{Mode: tree.Dir | 0o755}, disktest.Regular("a", "x")}
	for i := range count {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("b%07d", i), Hardlink: "a"})
	}
	if got := len(open(t, build(t, &tree.Tree{Entries: entries}, Options{})).Entries); got != len(entries) {
		t.Errorf("%d entries, want %d", got, len(entries))
	}
}

// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// TestErrors checks that trees that cannot be written are refused with the right
// error, and that the message contains the path.
func TestErrors(t *testing.T) {
	reg := tree.Entry{Path: "a/x", Mode: tree.Regular}
	with := func(change func(e *tree.Entry)) *tree.Tree {
		e := reg
		change(&e)
		return sorted(dir("a"), e)
	}
	raw := func(entries ...tree.Entry) *tree.Tree {
		return &tree.Tree{Entries: append([]tree.Entry{{Mode: tree.Dir}}, entries...)}
	}
	links := []tree.Entry{{Path: "a/0", Mode: tree.Regular}}
	for i := range 65000 {
		links = append(links, tree.Entry{Path: fmt.Sprintf("a/1%05d", i), Hardlink: "a/0"})
	}
	xattr := func(name string, n int) *tree.Tree {
		return with(func(e *tree.Entry) { e.Xattrs = []tree.Xattr{{Name: name, Value: make([]byte, n)}} })
	}
	for _, c := range []struct {
		name string
		tree *tree.Tree
		want error
		text string
	}{
		{"empty", &tree.Tree{}, ErrTree, "root"},
		{"no root", &tree.Tree{Entries: []tree.Entry{reg}}, ErrTree, "root"},
		{"no parent", raw(reg), ErrTree, "/a/x"},
		{"parent is a file", raw(tree.Entry{Path: "a", Mode: tree.Regular}, reg), ErrTree, "/a/x"},
		{"twice", raw(dir("a"), dir("a")), ErrTree, "/a"},
		{"order", raw(dir("b"), dir("a")), ErrTree, "/a"},
		{"dots", raw(dir("..")), ErrTree, "/.."},
		{"nul", raw(dir("a\x00")), ErrTree, "not a name"},
		{"empty name", raw(dir("a"), dir("a/")), ErrTree, "/a/"},
		{"long name", sorted(dir("a"), dir("a/"+strings.Repeat("n", 256))), ErrNameTooLong, "/a/nnn"},
		{"no type", with(func(e *tree.Entry) { e.Mode = 0o644 }), ErrTree, "/a/x"},
		{"mode", with(func(e *tree.Entry) { e.Mode |= 1 << 20 }), ErrTree, "/a/x"},
		{"nanoseconds", with(func(e *tree.Entry) { e.MtimeNsec = 1e9 }), ErrTree, "/a/x"},
		{"negative size", with(func(e *tree.Entry) { e.Size = -1 }), ErrTree, "/a/x"},
		{"no content", with(func(e *tree.Entry) { e.Size = 1 }), ErrTree, "/a/x"},
		{"huge", with(func(e *tree.Entry) { e.Size = 1 << 62 }), ErrFileSize, "/a/x"},
		{"data past end", with(func(e *tree.Entry) { e.Size, e.Content, e.Data = 9, zeros{}, []tree.Range{{Off: 5, Len: 5}} }), ErrTree, "/a/x"},
		{"data overlaps", with(func(e *tree.Entry) {
			e.Size, e.Content, e.Data = 9, zeros{}, []tree.Range{{Off: 0, Len: 5}, {Off: 4, Len: 5}}
		}), ErrTree, "/a/x"},
		{"long target", with(func(e *tree.Entry) { e.Mode, e.Link = tree.Symlink, strings.Repeat("t", 4096) }), ErrLinkTooLong, "/a/x"},
		{"no target", with(func(e *tree.Entry) { e.Mode = tree.Symlink }), ErrTree, "/a/x"},
		{"device", with(func(e *tree.Entry) { e.Mode, e.Rdev = tree.Char, tree.Device{Major: 4096} }), ErrDevice, "/a/x"},
		{"links", sorted(append(links, dir("a"))...), ErrLinks, "/a/0"},
		{"link to nothing", with(func(e *tree.Entry) { e.Hardlink = "a/b" }), ErrTree, "/a/x"},
		{"link to directory", with(func(e *tree.Entry) { e.Hardlink = "a" }), ErrTree, "/a/x"},
		{"link to itself", with(func(e *tree.Entry) { e.Hardlink = "a/x" }), ErrTree, "/a/x"},
		{"lost+found", raw(tree.Entry{Path: "lost+found", Mode: tree.Regular}), ErrTree, "/lost+found"},
		{"lost+found link", raw(tree.Entry{Path: "a", Mode: tree.Regular}, tree.Entry{Path: "lost+found", Hardlink: "a"}), ErrTree, "/lost+found"},
		{"large xattr", xattr("user.big", 4096), ErrXattrSize, "/a/x"},
		{"xattr name space", xattr("btrfs.compression", 1), ErrXattr, "/a/x"},
		{"xattr without name", xattr("user.", 1), ErrXattr, "/a/x"},
		{"acl", xattr("system.posix_acl_access", 12), ErrXattr, "/a/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(c.tree, testOptions)
			var entry *EntryError
			if !errors.Is(err, c.want) || !errors.As(err, &entry) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v and %q", err, c.want, c.text)
			}
		})
	}
}

func TestOptionErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"label", Options{Label: strings.Repeat("l", 17)}, "label does not fit"},
		{"nul in label", Options{Label: "a\x00"}, "label does not fit"},
		{"negative", Options{Size: -4096}, "negative"},
		{"too small", Options{Size: 1 << 20}, "there are 0 bytes and 272 inodes; it fits 4"},
		{"tiny", Options{Size: 1}, "system of 0 bytes: it needs 20480 bytes and 11 inodes, there are 0 bytes and 0 inodes; it fits 4"},
		{"too large", Options{Size: 16 << 40}, "16 TiB or larger"},
		{"too much free", Options{Free: 20 << 40}, "16 TiB or larger"},
		{"reserve", Options{ReservedPercent: 51}, "more than half"},
	} {
		if _, err := Build(sorted(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestSpaceError checks the numbers when blocks or inodes run out.
func TestSpaceError(t *testing.T) {
	entries := numbered("d", "%04d", 1000, tree.Entry{Mode: tree.Regular, Size: 100000, Content: zeros{}})
	tr := sorted(append(entries, dir("d"))...)
	o := testOptions
	o.Size = 64 << 20
	_, err := Build(tr, o)
	var e *SpaceError
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if want := int64(1000*25+4+1+5) * blockSize; e.Needed != want || e.Usable > o.Size || e.Usable < o.Size-6<<20 {
		t.Errorf("needed %d, usable %d; want about %d and %d", e.Needed, e.Usable, want, o.Size)
	}
	if e.NeededInodes != 1012 || e.AvailableInodes < 1012 || !strings.HasPrefix(e.Path, "d/0") {
		t.Errorf("got %+v", e)
	}
	o.Size = e.Least
	if _, err := Build(tr, o); err != nil {
		t.Error(err)
	}
	o.Size, o.Inodes = 512<<20, 500
	if _, err = Build(tr, o); !errors.As(err, &e) || e.NeededInodes != 1012 || e.AvailableInodes >= 1012 || e.Needed >= e.Usable {
		t.Errorf("got %v, %+v", err, e)
	}
	o.Size = 0
	if _, err = Build(tr, o); !errors.As(err, &e) || e.NeededInodes != 1012 {
		t.Errorf("got %v, %+v", err, e)
	}
}

// FuzzMalformed builds trees that break the rules: Build must refuse them or make
// an image, and never panic. Images of accepted trees are read.
func FuzzMalformed(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, uint8(i), int64(i)<<20, "a/b")
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, size int64, path string) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		tr := randomTree(rnd, int(n))
		for range 1 + rnd.IntN(3) {
			e := &tr.Entries[rnd.IntN(len(tr.Entries))]
			other := tr.Entries[rnd.IntN(len(tr.Entries))]
			switch rnd.IntN(10) {
			case 0:
				e.Path = path
			case 1:
				e.Hardlink = other.Path
			case 2:
				e.Mode = rnd.Uint32()
			case 3:
				e.Size = int64(rnd.Uint64())
			case 4:
				e.Data = []tree.Range{{Off: size, Len: int64(seed)}, {Off: size + 5, Len: rnd.Int64()}}
			case 5:
				e.Link = path
			case 6:
				e.Rdev = tree.Device{Major: rnd.Uint32(), Minor: rnd.Uint32()}
			case 7:
				e.Xattrs = append(e.Xattrs, tree.Xattr{Name: path, Value: []byte(path)}, tree.Xattr{Name: "system.posix_acl_access", Value: []byte(path)})
			case 8:
				e.Mtime, e.MtimeNsec = rnd.Int64(), rnd.Int32()
			case 9:
				*e = other
			}
		}
		o := testOptions
		o.Size = size % (1 << 32)
		m, err := Build(tr, o)
		if err != nil {
			return
		}
		buf := make([]byte, 1<<16)
		for off, i := m.NextExtent(0), 0; off < m.Size() && i < 200; off, i = m.NextExtent(off+int64(len(buf))), i+1 {
			m.ReadAt(buf, off)
		}
	})
}

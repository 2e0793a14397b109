// SPDX-License-Identifier: MPL-2.0

package disktest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Mtime is the time of generated entries, in seconds since 1970.
const Mtime = 1700000000

// Sorted makes a tree from entries; the root is added if it is missing.
func Sorted(entries ...tree.Entry) *tree.Tree {
	entries = slices.Clone(entries)
	if !slices.ContainsFunc(entries, func(e tree.Entry) bool { return e.Path == "" }) {
		entries = append(entries, tree.Entry{Mode: tree.Dir | 0o755, Mtime: 1})
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return &tree.Tree{Entries: entries}
}

// Regular is a file.
func Regular(path, content string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Regular | 0o644, Mtime: Mtime, Size: int64(len(content)), Content: strings.NewReader(content)}
}

// Dir is a directory.
func Dir(path string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Dir | 0o755, Mtime: Mtime}
}

// Noise is a content of n bytes that do not compress.
func Noise(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// Entries are the entries of a tree as text, with the checksums of their contents
// and without their holes.
func Entries(t testing.TB, tr *tree.Tree) []string {
	t.Helper()
	var out []string
	for _, e := range tr.Entries {
		s := uint32(0)
		if e.Hardlink == "" && e.Type() == tree.Regular {
			s = Sum(t, e.Content, e.Size)
		}
		e.Content, e.Data = nil, nil
		for i := range e.Xattrs { // nil or empty
			e.Xattrs[i].Value = append([]byte{}, e.Xattrs[i].Value...)
		}
		if len(e.Xattrs) == 0 {
			e.Xattrs = nil
		}
		out = append(out, fmt.Sprintf("%+v %08x", e, s))
	}
	return out
}

// Trees says what random trees may contain.
type Trees struct {
	Size      func(*rand.Rand) int            // of a file, in bytes
	Time      func(*rand.Rand) (int64, int32) // of an entry, in seconds and nanoseconds
	Xattrs    []string                        // prefixes of extended attributes
	Depth     int                             // of directories; 0 means any
	NoDevices bool
}

// Random makes a tree of about n entries of all kinds.
func (o Trees) Random(rnd *rand.Rand, n int) *tree.Tree {
	g := &grower{o: o, rnd: rnd, dirs: []string{""}, seen: map[string]bool{"": true}}
	g.entries = append(g.entries, g.meta(tree.Entry{Mode: tree.Dir | 0o755}))
	for i := range n {
		if p := g.place(); p != "" {
			g.entries = append(g.entries, g.entry(p, i))
		}
	}
	for range n / 10 {
		if len(g.files) == 0 {
			break
		}
		first := g.files[rnd.IntN(len(g.files))]
		if p := g.place(); p != "" && tree.Compare(first, p) < 0 {
			g.entries = append(g.entries, tree.Entry{Path: p, Hardlink: first})
		}
	}
	return Sorted(g.entries...)
}

// grower is a random tree that is being made.
type grower struct {
	o           Trees
	rnd         *rand.Rand
	entries     []tree.Entry
	dirs, files []string
	seen        map[string]bool
}

// place is an unused path, or "".
func (g *grower) place() string {
	p := strings.TrimPrefix(g.dirs[g.rnd.IntN(len(g.dirs))]+"/"+RandomName(g.rnd), "/")
	if g.seen[p] {
		return ""
	}
	g.seen[p] = true
	return p
}

func (g *grower) entry(p string, i int) tree.Entry {
	e, rnd := g.meta(tree.Entry{Path: p}), g.rnd
	what := rnd.IntN(16)
	if g.o.NoDevices && (what == 5 || what == 6) {
		what = 7
	}
	if what >= 5 && what <= 8 {
		e.Xattrs = nil
	}
	switch what {
	case 0, 1, 2:
		e.Mode |= tree.Dir | 0o700 // to be read back
		if g.o.Depth == 0 || strings.Count(p, "/") < g.o.Depth {
			g.dirs = append(g.dirs, p)
		}
	case 3, 4:
		e.Mode = tree.Symlink | 0o777
		e.Link = fmt.Sprintf("%0*d", 1+rnd.IntN(4000), i)
		e.Xattrs = slices.DeleteFunc(e.Xattrs, func(x tree.Xattr) bool { return strings.HasPrefix(x.Name, "user.") })
	case 5, 6, 7, 8:
		Special(rnd, what-5, &e)
	default:
		e.Mode |= tree.Regular
		g.files = append(g.files, p)
		g.file(&e)
	}
	return e
}

// Special makes an entry a character or block device, a FIFO or a socket, by kind
// from 0 to 3.
func Special(rnd *rand.Rand, kind int, e *tree.Entry) {
	e.Mode |= []uint32{tree.Char, tree.Block, tree.FIFO, tree.Socket}[kind]
	switch kind {
	case 0:
		e.Rdev = tree.Device{Major: rnd.Uint32N(1 << 12), Minor: rnd.Uint32N(1 << 20)}
	case 1:
		e.Rdev = tree.Device{Major: rnd.Uint32N(256), Minor: rnd.Uint32N(256)}
	}
}

// meta sets owner, mode bits, times and attributes.
func (g *grower) meta(e tree.Entry) tree.Entry {
	rnd := g.rnd
	e.Mode |= rnd.Uint32N(0o10000) | 0o400
	e.UID, e.GID = rnd.Uint32N(1<<31)>>rnd.IntN(31), rnd.Uint32N(1<<31)>>rnd.IntN(31)
	e.Mtime, e.MtimeNsec = g.o.Time(rnd)
	if rnd.IntN(4) > 0 {
		return e
	}
	for i := range rnd.IntN(4) {
		value := Noise(rnd.Uint64(), rnd.IntN(200))
		if rnd.IntN(3) == 0 {
			value = "one of several that have the same"
		}
		prefix := g.o.Xattrs[rnd.IntN(len(g.o.Xattrs))]
		e.Xattrs = append(e.Xattrs, tree.Xattr{Name: fmt.Sprint(prefix, i), Value: []byte(value)})
	}
	slices.SortFunc(e.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return e
}

// file makes a content; some contents are identical, compressible or have holes.
func (g *grower) file(e *tree.Entry) {
	rnd := g.rnd
	n := g.o.Size(rnd)
	b := []byte(Noise(uint64(rnd.IntN(4)), n))
	if rnd.IntN(2) == 0 {
		b = bytes.Repeat([]byte("compressible "), n/10)
	}
	e.Data = nil
	if rnd.IntN(3) == 0 {
		e.Data = []tree.Range{}
		for off := rnd.Int64N(50000); off < int64(len(b)); {
			k := min(1+rnd.Int64N(100000), int64(len(b))-off)
			e.Data = append(e.Data, tree.Range{Off: off, Len: k})
			next := min(off+k+rnd.Int64N(400000), int64(len(b)))
			clear(b[off+k : next])
			off = next
		}
		if len(e.Data) > 0 {
			clear(b[:e.Data[0].Off])
		} else {
			clear(b)
		}
	}
	if e.Size = int64(len(b)); e.Size > 0 {
		e.Content = bytes.NewReader(b)
	}
}

// RandomName is a name of any bytes except / and zero, mostly letters.
func RandomName(rnd *rand.Rand) string {
	n := 1 + rnd.IntN(20)
	if rnd.IntN(8) == 0 {
		n = 1 + rnd.IntN(255)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + rnd.IntN(255))
		if rnd.IntN(4) > 0 || b[i] == '/' || b[i] == '.' {
			b[i] = byte('a' + rnd.IntN(26))
		}
	}
	return string(b)
}

// ReadTree fails the test unless a tree is sorted, and reads the start and the end
// of each of its files, ignoring errors.
func ReadTree(t testing.TB, tr *tree.Tree) {
	t.Helper()
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if i > 0 && tree.Compare(tr.Entries[i-1].Path, e.Path) >= 0 {
			t.Fatalf("/%s is out of place", e.Path)
		}
		if e.Size > 0 {
			p := make([]byte, min(e.Size, 1<<18))
			_, _ = e.Content.ReadAt(p, 0)
			_, _ = e.Content.ReadAt(p, e.Size-int64(len(p)))
		}
	}
}

// BadTree is a tree that cannot be stored.
type BadTree struct {
	Name string
	Tree *tree.Tree
	Err  error
}

// BadTrees are trees that a read-only file system cannot store.
func BadTrees() []BadTree {
	link := func(target string) tree.Entry { return tree.Entry{Path: "l", Mode: tree.Symlink, Link: target} }
	list := Regular("f", "x")
	list.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: make([]byte, 4)}}
	return []BadTree{
		{"empty", &tree.Tree{}, rofs.ErrTree},
		{"no parent", Sorted(Regular("a/b", "")), rofs.ErrTree},
		{"twice", Sorted(Regular("a", ""), Regular("a", "")), rofs.ErrTree},
		{"below a file", Sorted(Regular("a", ""), Regular("a/b", "")), rofs.ErrTree},
		{"long name", Sorted(Regular(strings.Repeat("n", 256), "")), rofs.ErrNameTooLong},
		{"dot", Sorted(Regular("..", "")), rofs.ErrTree},
		{"long target", Sorted(link(strings.Repeat("n", 4096))), rofs.ErrLinkTooLong},
		{"no target", Sorted(link("")), rofs.ErrTree},
		{"no type", Sorted(tree.Entry{Path: "a", Mode: 0o644}), rofs.ErrTree},
		{"device", Sorted(tree.Entry{Path: "a", Mode: tree.Char, Rdev: tree.Device{Major: 4096}}), rofs.ErrDevice},
		{"hard link", Sorted(tree.Entry{Path: "a", Hardlink: "b"}), rofs.ErrTree},
		{"hard link to a directory", Sorted(Dir("a"), tree.Entry{Path: "b", Hardlink: "a"}), rofs.ErrTree},
		{"list", Sorted(list), rofs.ErrXattr},
		{"no content", Sorted(tree.Entry{Path: "a", Mode: tree.Regular, Size: 1}), rofs.ErrTree},
		{"ranges", Sorted(tree.Entry{Path: "a", Mode: tree.Regular, Size: 10, Data: []tree.Range{{Off: 5, Len: 6}}, Content: Mark{}}), rofs.ErrTree},
	}
}

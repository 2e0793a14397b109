// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

func TestSizes(t *testing.T) {
	for want, v := range map[int]any{superSize: superblock{}, compactSize: compactInode{}, extendedSize: extendedInode{}} {
		if got := binary.Size(v); got != want {
			t.Errorf("%T has %d bytes, want %d", v, got, want)
		}
	}
}

func TestRandomTrees(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkRandom(t, seed, int(20+seed*20)) })
	}
}

// checkRandom has fsck.erofs check and unpack a random tree.
func checkRandom(t *testing.T, seed uint64, n int) {
	tr := randomTree(rand.New(rand.NewPCG(seed, 4)), n)
	path := build(t, tr, Options{Time: 5, UUID: someUUID(), Label: "a label"})
	verify(t, path, tr)
}

// FuzzWrite has fsck.erofs check and unpack random trees.
func FuzzWrite(f *testing.F) {
	f.Add(uint64(1), uint16(10))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16) { checkRandom(t, seed, int(n%500)) })
}

func TestDump(t *testing.T) {
	hole := tree.Entry{Path: "hole", Mode: tree.Regular | 0o600, Size: 20000, Data: []tree.Range{{Off: 9000, Len: 2}}, Content: disktest.Mark{Size: 20000, At: 9000}}
	tr := disktest.Sorted(disktest.Dir("d"), disktest.Regular("d/small", "x"), disktest.Regular("large", disktest.Noise(1, 3*blockSize+5)), hole, tree.Entry{Path: "d/twice", Hardlink: "d/small"})
	path := build(t, tr, Options{Time: 1700000000, UUID: [16]byte{0x4f, 0x68, 0xbc, 0xe3, 15: 7}})
	out := tool(t, "dump.erofs", "-s", path)
	for _, want := range []string{"0xE0F5E1E2", "Filesystem root nid:                          128", "Filesystem inode count:                       5", "Tue Nov 14 22:13:20 2023", "4f68bce3-0000-0000-0000-000000000007", "chunked_file", "sb_csum mtime"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for name, want := range map[string]string{"/d/small": "Links: 2", "/large": "Layout: 2", "/hole": "Layout: 4", "/d": "Size: "} {
		if out := tool(t, "dump.erofs", "--path="+name, path); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%s", name, want, out)
		}
	}
}

func TestEmpty(t *testing.T) {
	tr := disktest.Sorted()
	verify(t, build(t, tr, Options{}), tr)
	tr = disktest.Sorted(disktest.Regular("empty", ""), disktest.Dir("d"))
	verify(t, build(t, tr, Options{}), tr)
}

func TestReproducible(t *testing.T) {
	var want []byte
	for range 2 {
		tr := randomTree(rand.New(rand.NewPCG(77, 4)), 400)
		b, err := os.ReadFile(build(t, tr, Options{Time: 5, UUID: someUUID()}))
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && !bytes.Equal(b, want) {
			t.Error("the same tree gives other bytes")
		}
		want = b
	}
}

// TestContentsAreNotRead builds from files that cannot be read.
func TestContentsAreNotRead(t *testing.T) {
	e := tree.Entry{Path: "f", Mode: tree.Regular, Size: 5*blockSize + 7, Content: unreadable{}}
	m, err := Build(disktest.Sorted(e), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size())); !errors.Is(err, errUnreadable) {
		t.Errorf("read: %v", err)
	}
}

var errUnreadable = errors.New("unreadable")

type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errUnreadable }

func TestLargeDirectory(t *testing.T) {
	entries := []tree.Entry{disktest.Dir("d"), disktest.Dir("long"), disktest.Dir("e")}
	for i := range 30000 {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("d/file-%d.txt", i), Mode: tree.Regular | 0o644, Mtime: 5})
	}
	for i := range 2000 {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("long/%0255d", i), Mode: tree.FIFO | 0o644})
	}
	for i := range 70000 { // more links than 16 bits count
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("e/%06d", i), Mode: tree.Dir | 0o755, Mtime: 5})
	}
	tr := disktest.Sorted(entries...)
	path := build(t, tr, Options{Time: 5})
	tool(t, "fsck.erofs", "-d1", path)
	got := open(t, path)
	if len(got.Entries) != len(tr.Entries) {
		t.Fatalf("%d entries, want %d", len(got.Entries), len(tr.Entries))
	}
	for i := range got.Entries {
		if got.Entries[i].Path != tr.Entries[i].Path {
			t.Fatalf("entry %d is /%s, want /%s", i, got.Entries[i].Path, tr.Entries[i].Path)
		}
	}
	if out := tool(t, "dump.erofs", "--path=/e", path); !strings.Contains(out, "Links: 70002") {
		t.Errorf("of 70000 directories:\n%s", out)
	}
}

func TestHuge(t *testing.T) {
	const size = 1<<40 + 77
	e := tree.Entry{Path: "huge", Mode: tree.Regular | 0o600, Size: size, Content: disktest.Mark{Size: size, At: 4<<30 + 9}, Data: []tree.Range{{Off: 4<<30 + 5, Len: 10}}}
	none := tree.Entry{Path: "none", Mode: tree.Regular | 0o600, Size: 1 << 50, Data: []tree.Range{}}
	path := build(t, disktest.Sorted(e, none), Options{})
	tool(t, "fsck.erofs", "-d1", path)
	if out := tool(t, "dump.erofs", "--path=/huge", path); !strings.Contains(out, fmt.Sprint(size)) {
		t.Errorf("no size in\n%s", out)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 64<<20 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
	got := open(t, path).Entries[1]
	b := make([]byte, 20)
	if n, err := got.Content.ReadAt(b, 4<<30); n != 20 || err != nil || string(b) != strings.Repeat("\x00", 9)+"m"+strings.Repeat("\x00", 10) {
		t.Errorf("%q around the mark, %v", b, err)
	}
	if n, err := got.Content.ReadAt(b, size-5); n != 5 || err != io.EOF {
		t.Errorf("%d bytes at the end, %v", n, err)
	}
	full := tree.Entry{Path: "full", Mode: tree.Regular, Size: 1 << 44, Content: unreadable{}}
	if _, err := MinSize(disktest.Sorted(full), Options{}); !errors.Is(err, ErrTooBig) {
		t.Errorf("16 TiB: %v", err)
	}
}

func TestErrors(t *testing.T) {
	attr := func(name string, n int) tree.Entry {
		e := disktest.Regular("f", "x")
		e.Xattrs = []tree.Xattr{{Name: name, Value: make([]byte, n)}}
		return e
	}
	many := disktest.Regular("f", "x")
	for i := range 5 {
		many.Xattrs = append(many.Xattrs, tree.Xattr{Name: fmt.Sprint("user.", i), Value: make([]byte, 60000)})
	}
	for _, tt := range append(disktest.BadTrees(), []disktest.BadTree{
		{Name: "nanoseconds", Tree: disktest.Sorted(tree.Entry{Path: "a", Mode: tree.FIFO, MtimeNsec: 1e9}), Err: ErrTree},
		{Name: "other name", Tree: disktest.Sorted(attr("system.nfs4_acl", 4)), Err: ErrXattr},
		{Name: "large value", Tree: disktest.Sorted(attr("user.x", 65536)), Err: ErrXattr},
		{Name: "large values", Tree: disktest.Sorted(many), Err: ErrXattr},
	}...) {
		t.Run(tt.Name, func(t *testing.T) {
			_, err := Build(tt.Tree, Options{})
			if entry := (*EntryError)(nil); !errors.Is(err, tt.Err) || !errors.As(err, &entry) {
				t.Errorf("got %v, want %v", err, tt.Err)
			}
		})
	}
	if _, err := Build(disktest.Sorted(), Options{Label: "sixteen bytes xx"}); err == nil {
		t.Error("a label of 16 bytes was taken")
	}
}

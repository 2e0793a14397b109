// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

func TestSuperblockSize(t *testing.T) {
	if got := binary.Size(superblock{}); got != superSize {
		t.Fatalf("superblock has %d bytes, want %d", got, superSize)
	}
}

// TestRandomTrees unpacks random file systems with unsquashfs.
func TestRandomTrees(t *testing.T) {
	for seed := range uint64(8) {
		for _, c := range []Compression{Zstd, Gzip, XZ} {
			if c == XZ && seed > 1 {
				continue // slow
			}
			t.Run(fmt.Sprint(seed, c), func(t *testing.T) { checkRandom(t, seed, int(20+seed*20), c) })
		}
	}
}

func checkRandom(t *testing.T, seed uint64, n int, c Compression) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	tr := randomTree(rnd, n)
	verify(t, build(t, tr, Options{Compression: c, Export: rnd.IntN(2) == 0}), tr)
}

func FuzzBuild(f *testing.F) {
	f.Add(uint64(1), uint16(10), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, c uint8) {
		checkRandom(t, seed, int(n%500), []Compression{Zstd, Gzip}[c%2])
	})
}

// TestList reads owners, devices and times of all kinds with unsquashfs -lln,
// which needs no privileges.
func TestList(t *testing.T) {
	suid := disktest.Regular("d/suid", "x")
	suid.Mode, suid.UID, suid.GID = tree.Regular|0o4755, 1000, 4000000000
	tr := disktest.Sorted(disktest.Dir("d"), suid, tree.Entry{Path: "d/link", Mode: tree.Symlink | 0o777, Link: "../x"},
		tree.Entry{Path: "d/null", Mode: tree.Char | 0o666, Rdev: tree.Device{Major: 1, Minor: 3}},
		tree.Entry{Path: "d/sda", Mode: tree.Block | 0o660, GID: 6, Rdev: tree.Device{Major: 259, Minor: 200}},
		tree.Entry{Path: "d/pipe", Mode: tree.FIFO | 0o600}, tree.Entry{Path: "d/sock", Mode: tree.Socket | 0o600, Mtime: -5},
		tree.Entry{Path: "d/suid2", Hardlink: "d/suid"})
	out := tool(t, "unsquashfs", "-lln", build(t, tr, Options{}))
	for _, want := range []string{
		`-rwsr-xr-x 1000/4000000000 +1 2023-11-14 22:13 squashfs-root/d/suid`,
		`-rwsr-xr-x 1000/4000000000 +1 2023-11-14 22:13 squashfs-root/d/suid2`,
		`lrwxrwxrwx 0/0 +4 1970-01-01 00:00 squashfs-root/d/link -> ../x`,
		`crw-rw-rw- 0/0 +1, +3 1970-01-01 00:00 squashfs-root/d/null`,
		`brw-rw---- 0/6 +259,200 1970-01-01 00:00 squashfs-root/d/sda`,
		`prw------- 0/0 +0 1970-01-01 00:00 squashfs-root/d/pipe`,
		`srw------- 0/0 +0 1970-01-01 00:00 squashfs-root/d/sock`,
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(out) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestStat reads what the superblock says.
func TestStat(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want []string
	}{
		{Options{Time: 1700000000}, []string{"Compression zstd", "Tue Nov 14 22:13:20 2023", "not exportable", "Number of inodes 3", "Number of fragments 1", "Number of ids 1", "Block size 131072", "Duplicates are removed"}},
		{Options{Compression: Gzip, Export: true}, []string{"Compression gzip", "Filesystem is exportable via NFS"}},
		{Options{Compression: XZ}, []string{"Compression xz"}},
	} {
		out := tool(t, "unsquashfs", "-s", build(t, disktest.Sorted(disktest.Regular("a", "x"), disktest.Regular("b", "y")), tt.o))
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%+v: no %q in\n%s", tt.o, want, out)
			}
		}
	}
}

// TestEmpty has no files at all.
func TestEmpty(t *testing.T) {
	tr := disktest.Sorted()
	verify(t, build(t, tr, Options{}), tr)
	tr = disktest.Sorted(disktest.Regular("empty", ""), disktest.Dir("d"))
	verify(t, build(t, tr, Options{Export: true}), tr)
}

// TestDuplicates stores identical files once.
func TestDuplicates(t *testing.T) {
	big := disktest.Noise(1, 3*blockSize+5)
	zeros := string(make([]byte, 2*blockSize))
	sparse := disktest.Regular("sparse", zeros+big)
	sparse.Data = []tree.Range{{Off: 2 * blockSize, Len: int64(len(big))}}
	tr := disktest.Sorted(disktest.Regular("a", big), disktest.Regular("b", big), disktest.Regular("c", "small"), disktest.Regular("d", big), disktest.Regular("e", "small"),
		disktest.Regular("f", big[1:]), disktest.Regular("g", disktest.Noise(2, 1000)), disktest.Regular("h", zeros+big), sparse, disktest.Regular("z", big))
	path := build(t, tr, Options{})
	verify(t, path, tr)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(3*len(big) + 1000 + 2*align); fi.Size() > most {
		t.Errorf("%d bytes, want at most %d", fi.Size(), most)
	}
}

// TestReproducible builds with different numbers of workers.
func TestReproducible(t *testing.T) {
	tr := randomTree(rand.New(rand.NewPCG(77, 4)), 400)
	var want []byte
	for _, workers := range []int{1, 2, 3, 16} {
		b, err := os.ReadFile(build(t, tr, Options{Workers: workers, Time: 5}))
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && string(b) != string(want) {
			t.Errorf("%d workers give other bytes", workers)
		}
		want = b
	}
}

// TestLargeDirectory has an index, through which every name must be found.
func TestLargeDirectory(t *testing.T) {
	entries := []tree.Entry{disktest.Dir("d"), disktest.Dir("long")}
	for i := range 100000 {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("d/file-%d.txt", i), Mode: tree.Regular | 0o644})
	}
	for i := range 2000 {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("long/%0255d", i), Mode: tree.Regular | 0o644})
	}
	tr := disktest.Sorted(entries...)
	out := tool(t, "unsquashfs", "-ls", build(t, tr, Options{}))
	for _, e := range tr.Entries[1:] {
		i := strings.IndexByte(out, '\n')
		if i < 0 {
			t.Fatalf("/%s and the rest are missing", e.Path)
		}
		line := out[:i]
		out = out[i+1:]
		if line == "squashfs-root" {
			i = strings.IndexByte(out, '\n')
			line, out = out[:i], out[i+1:]
		}
		if line != "squashfs-root/"+e.Path {
			t.Fatalf("got %q, want /%s", line, e.Path)
		}
	}
}

// TestIndex looks names up as the kernel does (get_dir_index_using_name).
func TestIndex(t *testing.T) {
	var names []name
	for i := range 5000 {
		n := &inode{entry: &tree.Entry{Mode: tree.Regular}, number: uint32(i + 1), at: ref{block: uint32(i / 1000), offset: uint16(i)}}
		names = append(names, name{fmt.Sprintf("%05d-%s", i, strings.Repeat("x", i%200)), n})
	}
	newCompressor, _, err := compression(Zstd)
	if err != nil {
		t.Fatal(err)
	}
	m := &metadata{dirs: table{compress: newCompressor()}}
	m.dirs.add(make([]byte, 5000)) // another directory
	start := m.dirs.at()
	size, index, n := m.list(names)
	if size != int64(3+len(flat(names))) {
		t.Errorf("size %d, want %d", size, 3+len(flat(names)))
	}
	if n < 30 {
		t.Errorf("%d entries of an index", n)
	}
	all := append(make([]byte, start.offset), flat(names)...)
	for range n {
		at, block, k := le.Uint32(index), le.Uint32(index[4:]), le.Uint32(index[8:])+1
		first := string(index[12 : 12+k])
		index = index[12+k:]
		pos := int(start.offset) + int(at)
		if got := string(all[pos+12+8:][:k]); got != first {
			t.Fatalf("index says %q, at %d is %q", first, at, got)
		}
		if want := m.dirs.starts[pos/metaSize]; pos/metaSize < len(m.dirs.starts) && uint64(block) != want {
			t.Fatalf("index says block %d, want %d", block, want)
		}
	}
}

// flat is a listing without compression.
func flat(names []name) (out []byte) {
	for len(names) > 0 {
		n, b := run(names)
		out = append(out, b...)
		names = names[n:]
	}
	return out
}

// TestHuge has sparse files of more than 4 GiB, and 4 TiB.
func TestHuge(t *testing.T) {
	const size = 5<<30 + 77
	e := tree.Entry{Path: "huge", Mode: tree.Regular | 0o600, Size: size, Content: disktest.Mark{Size: size, At: 4<<30 + 9}, Data: []tree.Range{{Off: 4<<30 + 5, Len: 10}}}
	most := tree.Entry{Path: "most", Mode: tree.Regular | 0o600, Size: 1 << 42, Data: []tree.Range{}}
	path := build(t, disktest.Sorted(e), Options{})
	if out := tool(t, "unsquashfs", "-lln", path); !strings.Contains(out, fmt.Sprint(size)) {
		t.Errorf("no size in\n%s", out)
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 64<<10 {
		t.Errorf("%v, %v", fi.Size(), err)
	}
	out := filepath.Join(t.TempDir(), "out") // sparse
	tool(t, "unsquashfs", "-n", "-d", out, path)
	f, err := os.Open(filepath.Join(out, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 20)
	if _, err := f.ReadAt(got, 4<<30); err != nil || string(got) != strings.Repeat("\x00", 9)+"m"+strings.Repeat("\x00", 10) {
		t.Errorf("%q around the mark, %v", got, err)
	}
	if fi, err := f.Stat(); err != nil || fi.Size() != size {
		t.Errorf("%d bytes, %v", fi.Size(), err)
	}
	if testing.Short() {
		return
	}
	if out := tool(t, "unsquashfs", "-lln", build(t, disktest.Sorted(most), Options{})); !strings.Contains(out, fmt.Sprint(1<<42)) {
		t.Errorf("no size in\n%s", out)
	}
}

// TestCapability keeps security.capability.
func TestCapability(t *testing.T) {
	caps := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	e, f, l := disktest.Regular("ping", "x"), disktest.Regular("other", "x"), tree.Entry{Path: "link", Mode: tree.Symlink | 0o777, Link: "x"}
	e.Xattrs = []tree.Xattr{{Name: "security.capability", Value: caps}, {Name: "user.big", Value: []byte(disktest.Noise(1, 2000))}}
	f.Xattrs = []tree.Xattr{{Name: "security.capability", Value: caps}}
	l.Xattrs = []tree.Xattr{{Name: "trusted.x", Value: nil}}
	tr := disktest.Sorted(e, f, l)
	if os.Geteuid() != 0 {
		t.Skip("not the superuser")
	}
	verify(t, build(t, tr, Options{}), tr)
}

func TestErrors(t *testing.T) {
	attr := func(name string, n int) tree.Entry {
		e := disktest.Regular("f", "x")
		e.Xattrs = []tree.Xattr{{Name: name, Value: make([]byte, n)}}
		return e
	}
	for _, tt := range append(disktest.BadTrees(), []disktest.BadTree{
		{Name: "large value", Tree: disktest.Sorted(attr("user.x", 65537)), Err: ErrXattr},
		{Name: "too large", Tree: disktest.Sorted(tree.Entry{Path: "a", Mode: tree.Regular, Size: 1<<42 + 1, Data: []tree.Range{}}), Err: ErrFileSize},
		{Name: "shrunk", Tree: disktest.Sorted(tree.Entry{Path: "a", Mode: tree.Regular, Size: 10, Content: strings.NewReader("short")}), Err: io.ErrUnexpectedEOF},
		{Name: "shrunk large", Tree: disktest.Sorted(tree.Entry{Path: "a", Mode: tree.Regular, Size: 1 << 30, Content: strings.NewReader("short")}), Err: io.ErrUnexpectedEOF},
	}...) {
		t.Run(tt.Name, func(t *testing.T) {
			_, err := Build(t.Context(), tt.Tree, discard{}, Options{})
			if entry := (*EntryError)(nil); !errors.Is(err, tt.Err) || !errors.As(err, &entry) {
				t.Errorf("got %v, want %v", err, tt.Err)
			}
		})
	}
	if _, err := Build(t.Context(), disktest.Sorted(), discard{}, Options{Compression: "lzo"}); err == nil {
		t.Error("lzo was taken")
	}
	if _, err := Build(t.Context(), disktest.Sorted(disktest.Regular("a", disktest.Noise(1, 1<<20))), full{}, Options{}); !errors.Is(err, errFull) {
		t.Errorf("full spool: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, disktest.Sorted(disktest.Regular("a", disktest.Noise(1, 1<<20))), discard{}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	owners := disktest.Sorted()
	for i := range 70000 {
		owners.Entries = append(owners.Entries, tree.Entry{Path: fmt.Sprintf("%06d", i), Mode: tree.FIFO, UID: uint32(i)})
	}
	if _, err := Build(t.Context(), owners, discard{}, Options{}); !errors.Is(err, ErrOwners) {
		t.Errorf("owners: %v", err)
	}
}

// discard is a spool that is not read.
type discard struct{ io.ReaderAt }

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

var errFull = errors.New("no space")

type full struct{ io.ReaderAt }

func (full) WriteAt([]byte, int64) (int, error) { return 0, errFull }

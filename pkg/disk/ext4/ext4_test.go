// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestSuperblockSize(t *testing.T) {
	if got, want := binary.Size(superblock{}), 1024; got != want {
		t.Fatalf("superblock has %d bytes, want %d", got, want)
	}
}

// TestDirHash compares the hash with that of debugfs, which uses libext2fs.
func TestDirHash(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var names []string
	for n := 1; n < 256; n += 1 + n/20 {
		name := make([]byte, n)
		for i := range name {
			name[i] = byte('!' + rnd.IntN(94))
			if rnd.IntN(3) == 0 {
				name[i] = byte(128 + rnd.IntN(128))
			}
			if strings.IndexByte(`"'`, name[i]) >= 0 {
				name[i] = 'q'
			}
		}
		names = append(names, "n"+string(name[1:]))
	}
	image := build(t, sorted(), Options{})
	for _, seed := range [][16]byte{{}, testOptions.HashSeed} {
		var cmds []string
		for _, n := range names {
			c := "dx_hash -h half_md4 "
			if seed != [16]byte{} {
				s := fmt.Sprintf("%x", seed)
				c += fmt.Sprintf("-s %s-%s-%s-%s-%s ", s[:8], s[8:12], s[12:16], s[16:20], s[20:])
			}
			cmds = append(cmds, c+n)
		}
		r := &reader{t: t, image: image, tmp: t.TempDir()}
		for i, out := range r.batch(cmds) {
			m := regexp.MustCompile(`is 0x([0-9a-f]+) \(minor`).FindStringSubmatch(out)
			if m == nil {
				t.Fatalf("%q: %s", cmds[i], out)
			}
			got, want := newDirHash(seed).sum(names[i]), m[1]
			// debugfs treats characters as unsigned here; ours are signed
			if strings.ContainsFunc(names[i], func(c rune) bool { return c >= 128 }) {
				continue
			}
			if fmt.Sprintf("%x", got) != want {
				t.Errorf("hash of %q is %x, want %s", names[i], got, want)
			}
		}
	}
}

// numbered makes n entries under a directory.
func numbered(dir, format string, n int, e tree.Entry) []tree.Entry {
	out := make([]tree.Entry, n)
	for i := range out {
		out[i] = e
		out[i].Path = dir + "/" + fmt.Sprintf(format, i)
	}
	return out
}

// TestLargeDirectories checks indexed directories of one and two levels and
// the link count of 70,000 subdirectories.
func TestLargeDirectories(t *testing.T) {
	empty := tree.Entry{Mode: tree.Regular | 0o644}
	sub := tree.Entry{Mode: tree.Dir | 0o755}
	for _, c := range []struct {
		name    string
		entries []tree.Entry
		levels  string
		links   string
		compat  bool
	}{
		{"two blocks", numbered("d", "%0250d", 30, empty), "0", "2", false},
		{"one level", numbered("d", "file-%d.txt", 20000, empty), "0", "2", false},
		{"one level, compat", numbered("d", "file-%d.txt", 20000, empty), "0", "2", true},
		{"two levels", numbered("d", "%06d-a-name-that-is-rather-long", 100000, empty), "1", "2", false},
		{"long names", numbered("d", "%0255d", 20000, empty), "1", "2", false},
		{"long names, compat", numbered("d", "%0255d", 20000, empty), "1", "2", true},
		{"bytes above 127", numbered("d", "\xc3\xa9t\xc3\xa9-\xff\x80%d", 2000, empty), "0", "2", false},
		{"subdirectories", numbered("d", "%d", 70000, sub), "0", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && len(c.entries) > 20000 {
				t.Skip("large")
			}
			o := testOptions
			o.Compat = c.compat
			path := build(t, sorted(append(c.entries, dir("d"))...), o)
			out := tool(t, "debugfs", "-R", "htree_dump /d", path)
			if want := "Indirect levels: " + c.levels; !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out[:min(len(out), 500)])
			}
			if want := "Hash Version: 1"; !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out[:min(len(out), 500)])
			}
			if got := statFields["links"].FindStringSubmatch(tool(t, "debugfs", "-R", "stat /d", path))[1]; got != c.links {
				t.Errorf("%s links, want %s", got, c.links)
			}
			seen := map[string]bool{}
			for line := range strings.Lines(tool(t, "debugfs", "-R", "ls -p /d", path)) {
				if f := strings.Split(line, "/"); len(f) > 5 && f[1] != "0" {
					seen[f[5]] = true
				}
			}
			if got, want := len(seen), len(c.entries)+2; got != want {
				t.Errorf("%d names, want %d", got, want)
			}
			for _, e := range c.entries {
				if !seen[e.Name()] {
					t.Fatalf("%s is missing", e.Name())
				}
			}
		})
	}
}

// TestACL reads access control lists back in the form of system calls.
func TestACL(t *testing.T) {
	acl := []byte{2, 0, 0, 0}
	// for ids without a meaning, debugfs shows 0, and the kernel all ones
	for _, e := range [][3]uint32{{1, 6, 0}, {2, 4, 1000}, {4, 4, 0}, {8, 6, 70000}, {0x10, 6, 0}, {0x20, 4, 0}} {
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[0]))
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[1]))
		acl = binary.LittleEndian.AppendUint32(acl, e[2])
	}
	e := dir("d")
	caps := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	e.Xattrs = []tree.Xattr{{Name: "security.capability", Value: caps}, {Name: "system.posix_acl_access", Value: acl}, {Name: "system.posix_acl_default", Value: acl}, {Name: "user.x", Value: nil}}
	tr := sorted(e)
	verify(t, build(t, tr, testOptions), tr, testOptions)
}

// TestLostFound merges a tree's own lost+found, which may be full.
func TestLostFound(t *testing.T) {
	own := tree.Entry{Path: "lost+found", Mode: tree.Dir | 0o711, UID: 5, Mtime: 77}
	for _, n := range []int{0, 3, 1000} {
		entries := append(numbered("lost+found", "#%09d", n, tree.Entry{Mode: tree.Regular | 0o600}), own)
		tr := sorted(entries...)
		path := build(t, tr, testOptions)
		verify(t, path, tr, testOptions)
		out := tool(t, "debugfs", "-R", "stat /lost+found", path)
		if !strings.Contains(out, "Inode: 11 ") {
			t.Errorf("lost+found is not inode 11:\n%s", out)
		}
		if n < 100 && !strings.Contains(out, "Size: 16384\n") {
			t.Errorf("lost+found is not of 16 KiB:\n%s", out)
		}
	}
}

// TestSizes checks the smallest size and the requested free space.
func TestSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var entries []tree.Entry
	for i := range 50 {
		size := int64(i * 100000)
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("%03d", i), Mode: tree.Regular, Size: size, Content: marks{size}})
	}
	for _, tr := range []*tree.Tree{sorted(), randomTree(rnd, 500), sorted(entries...)} {
		for _, free := range []int64{0, 1, 50 << 20, 300 << 20, 5 << 30} {
			o := testOptions
			o.Free = free
			least, err := MinSize(tr, o)
			if err != nil {
				t.Fatal(err)
			}
			path := build(t, tr, o)
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if fi.Size() != least {
				t.Errorf("built %d bytes, MinSize says %d", fi.Size(), least)
			}
			h := header(t, path)
			number := func(name string) int64 {
				n, err := strconv.ParseInt(h[name], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			available := number("Free blocks") - number("Reserved block count") - min(number("Block count")/50, 4096)
			if free > 0 && (available*blockSize < free || available*blockSize > free+1<<20) {
				t.Errorf("free %d: %d bytes are available", free, available*blockSize)
			}
			if free == 0 {
				o.Size = least
				if _, err := Build(tr, o); err != nil {
					t.Errorf("smallest size does not do: %v", err)
				}
				o.Size = least - blockSize
				var space *SpaceError
				if _, err := Build(tr, o); !errors.As(err, &space) {
					t.Errorf("a smaller size does: %v", err)
				}
			}
		}
	}
}

// TestBackups destroys superblock and descriptors, and e2fsck restores them from
// each copy, which must state the group that it is in.
func TestBackups(t *testing.T) {
	o := testOptions
	o.Size = 1300 << 20
	tr := sorted(file("f", "x"))
	path := build(t, tr, o)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, group := range []int64{1, 3, 5, 7, 9} {
		var p [2]byte
		if _, err := f.ReadAt(p[:], group*groupBlocks*blockSize+0x5a); err != nil {
			t.Fatal(err)
		}
		if got := int64(binary.LittleEndian.Uint16(p[:])); got != group {
			t.Errorf("backup in group %d says group %d", group, got)
		}
		if _, err := f.WriteAt(make([]byte, 2*blockSize), 0); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), tooltest.Find(t, "e2fsck"), "-fy", "-b", fmt.Sprint(group*groupBlocks), "-B", "4096", path)
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 { // errors corrected
			t.Fatalf("%v\n%s", err, out)
		}
		fsck(t, path)
		verify(t, path, tr, o)
	}
}

// TestXattrOrder checks the order that the kernel's search within a block relies
// on: index, length of name, name.
func TestXattrOrder(t *testing.T) {
	var xs []tree.Xattr
	for _, n := range []string{"security.b", "security.aa", "trusted.z", "user.bb", "user.c", "user.aaa"} {
		xs = append(xs, tree.Xattr{Name: n, Value: make([]byte, 100)})
	}
	_, block, err := splitXattrs(xs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range block {
		got = append(got, fmt.Sprintf("%d.%s", x.index, x.name))
	}
	want := []string{"1.c", "1.bb", "1.aaa", "4.z", "6.b", "6.aa"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

// TestFileTypes reads the types in directory entries, which e2fsck -n accepts even
// if they are 0.
func TestFileTypes(t *testing.T) {
	path := build(t, sorted(dir("d"), file("f", ""), tree.Entry{Path: "g", Hardlink: "f"},
		tree.Entry{Path: "h", Mode: tree.Symlink, Link: "f"}, tree.Entry{Path: "i", Hardlink: "h"},
		tree.Entry{Path: "j", Mode: tree.Char}, tree.Entry{Path: "k", Mode: tree.Block},
		tree.Entry{Path: "m", Mode: tree.FIFO}, tree.Entry{Path: "n", Mode: tree.Socket}), testOptions)
	var got []string
	out := tool(t, "debugfs", "-R", "ls -l /", path)
	for _, m := range regexp.MustCompile(`(?m)^ +\d+ +\d+ \((\d)\).* (\S+)$`).FindAllStringSubmatch(out, -1) {
		got = append(got, m[2]+m[1])
	}
	want := []string{".2", "..2", "d2", "f1", "g1", "h7", "i7", "j3", "k4", "m5", "n6", "lost+found2"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

// TestBlockRanges joins ranges that share a block or are adjacent.
func TestBlockRanges(t *testing.T) {
	for _, c := range []struct {
		data []tree.Range
		want [][2]int64
	}{
		{nil, [][2]int64{{0, 10}}},
		{[]tree.Range{}, nil},
		{[]tree.Range{{Off: 0, Len: 0}, {Off: 9000, Len: 0}}, nil},
		{[]tree.Range{{Off: 0, Len: 1}, {Off: 4095, Len: 1}}, [][2]int64{{0, 1}}},
		{[]tree.Range{{Off: 100, Len: 10}, {Off: 4096, Len: 4096}, {Off: 8192, Len: 1}}, [][2]int64{{0, 3}}},
		{[]tree.Range{{Off: 8191, Len: 2}, {Off: 16384, Len: 5}}, [][2]int64{{1, 2}, {4, 1}}},
	} {
		var got [][2]int64
		blockRanges(&tree.Entry{Size: 40000, Data: c.data}, func(logical, n int64) { got = append(got, [2]int64{logical, n}) })
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%v: got (-), want (+):\n%s", c.data, diff)
		}
	}
}

// untouched fails when it is read.
type untouched struct{ t *testing.T }

func (u untouched) ReadAt([]byte, int64) (int, error) {
	u.t.Error("content was read while planning")
	return 0, io.EOF
}

func TestBuildReadsNothing(t *testing.T) {
	e := tree.Entry{Path: "f", Mode: tree.Regular, Size: 100, Content: untouched{t}}
	if _, err := Build(sorted(e), testOptions); err != nil {
		t.Fatal(err)
	}
}

// parallel reads an image with several goroutines at once.
func parallel(t *testing.T) [32]byte {
	m, err := Build(randomTree(rand.New(rand.NewPCG(5, 5)), 400), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, m.Size())
	var g errgroup.Group
	for off := int64(0); off < m.Size(); off += 1 << 18 {
		g.Go(func() error {
			_, err := m.ReadAt(out[off:min(off+1<<18, m.Size())], off)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(out)
}

// TestReproducible builds an image twice and reads it in pieces of different sizes.
func TestReproducible(t *testing.T) {
	sum := func(piece int) [32]byte {
		m, err := Build(randomTree(rand.New(rand.NewPCG(5, 5)), 400), testOptions)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.NewSectionReader(m, 0, m.Size())}, make([]byte, piece)); err != nil {
			t.Fatal(err)
		}
		return [32]byte(h.Sum(nil))
	}
	want := sum(1 << 20)
	if diff := cmp.Diff(parallel(t), want); diff != "" {
		t.Errorf("read by several goroutines: got (-), want (+):\n%s", diff)
	}
	for _, piece := range []int{1 << 20, 4096, 1000, 65537} {
		if got := sum(piece); got != want {
			t.Errorf("in pieces of %d bytes: %x, want %x", piece, got, want)
		}
	}
}

// TestExtentsOfFiles checks that files are runs of the image, without the rest of
// their last block.
func TestExtentsOfFiles(t *testing.T) {
	e := file("f", strings.Repeat("x", 5000))
	m, err := Build(sorted(e), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	var got []image.Extent
	for _, x := range m.Extents() {
		if x.Src == e.Content {
			got = append(got, x)
		}
	}
	if len(got) != 1 || got[0].Len != 5000 || got[0].SrcOff != 0 {
		t.Errorf("extents of the file: %+v", got)
	}
}

// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// TestManyExtents checks trees of extents with 0 to 3 levels of blocks.
func TestManyExtents(t *testing.T) {
	for _, c := range []struct{ extents, nodes int }{
		{4, 0}, {5, 1}, {340, 1}, {341, 2}, {1360, 4}, {1361, 6}, {3000, 10}, {470000, 1383 + 5 + 1},
	} {
		if testing.Short() && c.extents > 10000 {
			continue
		}
		e := tree.Entry{Path: "sparse", Mode: tree.Regular | 0o600}
		for i := range int64(c.extents) {
			e.Data = append(e.Data, tree.Range{Off: i*2*blockSize + blockSize + 10, Len: 20})
		}
		e.Size = int64(c.extents)*2*blockSize + 5
		e.Content = pattern{size: e.Size, ranges: e.Data}
		if c.extents > 10000 {
			e.Content = zeros{}
		}
		tr := sorted(e)
		o := testOptions
		o.Compat = c.extents%2 == 1
		path := build(t, tr, o)
		out := tool(t, "debugfs", "-R", "stat /sparse", path)
		m := regexp.MustCompile(`Blockcount: (\d+)`).FindStringSubmatch(out)
		if got, want := m[1], fmt.Sprint((c.extents+c.nodes)*8); got != want {
			t.Errorf("%d extents: %s sectors, want %s", c.extents, got, want)
		}
		if c.extents < 2000 {
			verify(t, path, tr, testOptions)
		}
	}
}

// zeros is an endless content.
type zeros struct{}

func (zeros) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	return len(p), nil
}

// TestSeveralGroups fills groups with files that cross the tables of others, one of
// them longer than the longest extent, and checks the places of the data.
func TestSeveralGroups(t *testing.T) {
	var entries []tree.Entry
	for i := range 9 {
		size := int64(15<<20) + int64(i)*12345
		if i == 4 {
			size = 140 << 20
		}
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("f%d", i), Mode: tree.Regular | 0o644, Size: size, Content: marks{size}})
	}
	o := testOptions
	o.Size = 512 << 20
	path := build(t, sorted(entries...), o)
	for _, e := range entries {
		out := t.TempDir() + "/out"
		tool(t, "debugfs", "-R", "dump /"+e.Path+" "+out, path)
		checkMarks(t, out, e.Size)
	}
}

// marks is a content that has its offset in every block of 64 KiB.
type marks struct{ size int64 }

func (m marks) ReadAt(p []byte, off int64) (int, error) {
	n := max(min(int64(len(p)), m.size-off), 0)
	clear(p[:n])
	for at := off &^ 0xffff; at < off+n; at += 1 << 16 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(at+1))
		for i, c := range b {
			if k := at + int64(i) - off; k >= 0 && k < n {
				p[k] = c
			}
		}
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func checkMarks(t *testing.T, path string, size int64) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() != size {
		t.Fatalf("%s: %v, %v, want %d bytes", path, fi.Size(), err, size)
	}
	got, want := make([]byte, 1<<16), make([]byte, 1<<16)
	for off := int64(0); off < size; off += 1 << 16 {
		n, _ := f.ReadAt(got, off)
		k, _ := marks{size}.ReadAt(want, off)
		if !bytes.Equal(got[:n], want[:k]) {
			t.Fatalf("%s: differs at %d", path, off)
		}
	}
}

// TestHugeSparse has a file of 5 GiB with data only at its end, one of nearly 16
// TiB, the largest possible, and one that fills a flex group and continues in the
// next.
func TestHugeSparse(t *testing.T) {
	const largest = maxBlocks * blockSize
	entries := []tree.Entry{
		{Path: "five", Mode: tree.Regular | 0o600, Size: 5<<30 + 17, Data: []tree.Range{{Off: 5 << 30, Len: 17}}, Content: marks{5<<30 + 17}},
		{Path: "largest", Mode: tree.Regular | 0o600, Size: largest, Data: []tree.Range{{Off: 0, Len: 1}, {Off: largest - 1, Len: 1}}, Content: marks{largest}},
		{Path: "full", Mode: tree.Regular | 0o600, Size: 9 << 28, Content: zeros{}},
		{Path: "hole", Mode: tree.Regular | 0o600, Size: 1 << 40, Data: []tree.Range{}},
	}
	path := build(t, sorted(entries...), testOptions)
	for _, c := range []struct{ name, size, sectors, block string }{
		{"five", "5368709137", "8", "(1310720"},
		{"largest", fmt.Sprint(int64(largest)), "16", "(" + fmt.Sprint(maxBlocks-1)},
		{"full", "2415919104", fmt.Sprint((9<<16 + 1) * 8), "(ETB0):"},
		{"hole", "1099511627776", "0", ""},
	} {
		out := tool(t, "debugfs", "-R", "stat /"+c.name, path)
		for _, want := range []string{"Size: " + c.size + "\n", "Blockcount: " + c.sectors + "\n", c.block} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, out)
			}
		}
	}
	block, err := strconv.ParseInt(strings.TrimSpace(tool(t, "debugfs", "-R", "bmap /five 1310720", path)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, want := make([]byte, blockSize), make([]byte, blockSize)
	if _, err := f.ReadAt(got, block*blockSize); err != nil {
		t.Fatal(err)
	}
	marks{5<<30 + 17}.ReadAt(want, 5<<30)
	if !bytes.Equal(got, want) {
		t.Errorf("last block is %x, want %x", got[:20], want[:20])
	}
}

// TestTwoTiB writes a file system of 2 TiB, which must cost no more than its
// content, and e2fsck reads it.
func TestTwoTiB(t *testing.T) {
	tr := randomTree(rand.New(rand.NewPCG(9, 9)), 300)
	o := testOptions
	o.Size = 2 << 40
	m, err := Build(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	total, zeros := int64(0), int64(0)
	for _, x := range m.Extents() {
		if x.Src == (image.Zeros{}) {
			zeros += x.Len
			continue
		}
		total += x.Len
	}
	if got, want := total, int64(64<<20); got > want {
		t.Errorf("extents cover %d bytes, want at most %d", got, want)
	}
	if got, want := zeros, int64(160<<20); got > want {
		t.Errorf("zeros that are not holes are %d bytes, want at most %d", got, want)
	}
	if testing.Short() {
		t.Skip("e2fsck takes some seconds and 170 MB")
	}
	path := write(t, m)
	fsck(t, path)
	verify(t, path, tr, o)
}

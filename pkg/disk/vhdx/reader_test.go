// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func open(t testing.TB, name string) *Reader {
	t.Helper()
	r, err := Open(disktest.File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// qemuKinds are options of qemu-img for a VHDX.
var qemuKinds = []string{
	"", "block_size=1M", "block_size=2M,log_size=3M", "block_size=32M", "block_size=256M", "subformat=fixed",
	"subformat=fixed,block_size=1M", "block_size=1M,block_state_zero=off",
}

// TestRead reads and checks disks written by QEMU.
func TestRead(t *testing.T) {
	for name, m := range images(t) {
		if m.Size() > 1<<30 {
			continue // QEMU writes all of a fixed disk
		}
		raw := disktest.Save(t, m, 512)
		for _, kind := range qemuKinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "q.vhdx")
				args := []string{"convert", "-f", "raw", "-O", "vhdx", raw, path}
				if kind != "" {
					args = append(args, "-o", kind)
				}
				tooltest.Run(t, "qemu-img", args...)
				v := open(t, path)
				disktest.Same(t, m, v)
				if ps := v.Check(t.Context()); len(ps) > 0 {
					t.Errorf("%v", ps)
				}
			})
		}
	}
}

// TestReadWritten reads a disk that QEMU has changed repeatedly: the headers
// alternate, and blocks are in the order of the writes.
func TestReadWritten(t *testing.T) {
	v := open(t, disktest.Rewritten(t, "vhdx", "block_size=1M"))
	disktest.Changed(t, v)
	if got := v.NextExtent(0); got != 5<<20 {
		t.Errorf("the first extent is at %d", got)
	}
	if v.Covered(6<<20, 24<<20) || !v.Covered(6<<20, 24<<20+1) {
		t.Error("what is covered between 6 and 30 MiB")
	}
	if n, err := v.ReadAt(make([]byte, 2), 40<<20-1); n != 1 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

// small is a file of ours, whose table has two blocks.
func small(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(writeFile(t, disktest.Image(t, 5<<20, disktest.Extent(100, disktest.Text(1, 70000)), disktest.Extent(3<<20, disktest.Text(2, 5000))), options(), pipeline.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resum corrects the checksums.
func resum(b []byte) {
	for _, p := range [][2]int{{headerAt, headerSize}, {2 * headerAt, headerSize}, {regionAt, regionSize}, {regionAt + regionSize, regionSize}} {
		s := b[p[0] : p[0]+p[1]]
		clear(s[4:8])
		sum(s)
	}
}

// both makes the same change in both copies of the region table.
func both(b []byte, change func(table []byte)) {
	change(b[regionAt:])
	change(b[regionAt+regionSize:])
}

var le = binary.LittleEndian

const itemAt = metadataAt + itemsAt // parameters, size, id, logical and physical are in this order

func damages() []struct {
	name   string
	change func(b []byte)
	want   string // of Open's error or Check's problems
} {
	return []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"identifier", func(b []byte) { b[0] = 'V' }, "no vhdxfile"},
		{"header 1", func(b []byte) { b[headerAt+100] = 1 }, "header 1: not a readable VHDX: the header's checksum"},
		{"header 2", func(b []byte) { b[2*headerAt] = 1 }, "header 2: not a readable VHDX: no header"},
		{"both headers", func(b []byte) { b[headerAt+100], b[2*headerAt+100] = 1, 1 }, "the header's checksum"},
		{"same number", func(b []byte) { b[headerAt+8], b[headerAt+16] = 2, 99; resum(b) }, "two different headers"},
		{"version", func(b []byte) { b[headerAt+66], b[2*headerAt+66] = 2, 2; resum(b) }, "version 2"},
		{"log", func(b []byte) { b[2*headerAt+48] = 1; resum(b) }, "qemu-img check -r all"},
		{"log's version", func(b []byte) { b[headerAt+64] = 1; resum(b) }, "header 1: the log's version is 1"},
		{"log's place", func(b []byte) { le.PutUint64(b[2*headerAt+72:], 1<<63); resum(b) }, "header 2: a log of 1048576 bytes at 9223372036854775808"},
		{"log on metadata", func(b []byte) { le.PutUint64(b[2*headerAt+72:], metadataAt); resum(b) }, "it is at 2097152, in log"},
		{"region table 1", func(b []byte) { b[regionAt+1000] = 1 }, "region table 1: not a readable VHDX: the region table's checksum"},
		{"region table 2", func(b []byte) { b[regionAt+regionSize] = 1 }, "region table 2: not a readable VHDX: no region table"},
		{"region tables", func(b []byte) { b[regionAt+1000] = 1; resum(b) }, "region table 2: it differs"},
		{"regions", func(b []byte) { both(b, func(r []byte) { le.PutUint32(r[8:], 2048) }); resum(b) }, "2048 regions"},
		{"region's kind", func(b []byte) { both(b, func(r []byte) { r[16] ^= 1 }); resum(b) }, "is required and not known"},
		{"no table", func(b []byte) { both(b, func(r []byte) { r[16] ^= 1; r[44] = 0 }); resum(b) }, "it has 0 regions 2DC27766"},
		{"two tables", func(b []byte) { both(b, func(r []byte) { copy(r[48:64], r[16:32]) }); resum(b) }, "it has 0 regions 8B7CA206"},
		{"region beyond", func(b []byte) { both(b, func(r []byte) { le.PutUint64(r[32:], 1<<40) }); resum(b) }, "at 1099511627776, and the file"},
		{"region between", func(b []byte) { both(b, func(r []byte) { r[32] = 1 }); resum(b) }, "at 3145729, and the file"},
		{"regions overlap", func(b []byte) { both(b, func(r []byte) { le.PutUint64(r[64:], tableAt) }); resum(b) }, "is on top of"},
		{"metadata", func(b []byte) { b[metadataAt] = 0 }, "no metadata"},
		{"items", func(b []byte) { le.PutUint16(b[metadataAt+10:], 2048) }, "2048 metadata items"},
		{"item's kind", func(b []byte) { b[metadataAt+32] ^= 1 }, "is required and not known"},
		{"user's item", func(b []byte) { b[metadataAt+32+24] |= itemUser }, "is required and not known"},
		{"item missing", func(b []byte) { le.PutUint16(b[metadataAt+10:], 4) }, "CDA348C7-445D-4471-9CC9-E9885251C556 has 0 bytes"},
		{"item twice", func(b []byte) { copy(b[metadataAt+64:metadataAt+80], b[metadataAt+32:]) }, "two metadata items"},
		{"item beyond", func(b []byte) { le.PutUint32(b[metadataAt+32+16:], metadataSize-4) }, "has 8 bytes at 1048572 of"},
		{"item's length", func(b []byte) { le.PutUint32(b[metadataAt+32+20:], 4) }, "has 4 bytes, not 8"},
		{"items overlap", func(b []byte) { le.PutUint32(b[metadataAt+32+64+16:], itemsAt+4) }, "metadata: item"},
		{"item's flags", func(b []byte) { b[metadataAt+64+24] = itemRequired }, "has flags 0x4, not 0x6"},
		{"parent", func(b []byte) { b[itemAt+4] = hasParent }, "differencing"},
		{"block size", func(b []byte) { le.PutUint32(b[itemAt:], 3<<20) }, "blocks of 3145728"},
		{"large blocks", func(b []byte) { le.PutUint32(b[itemAt:], 512<<20) }, "blocks of 536870912"},
		{"disk's size", func(b []byte) { b[itemAt+8] = 1 }, "disk of 5242881 bytes"},
		{"huge disk", func(b []byte) { le.PutUint64(b[itemAt+8:], MaxSize+512) }, "disk of 70368744178176 bytes"},
		{"more blocks", func(b []byte) { le.PutUint64(b[itemAt+8:], MaxSize) }, "a table of 1048576 bytes for 67108864 blocks"},
		{"sectors", func(b []byte) { le.PutUint32(b[itemAt+32:], 1024) }, "sectors of 1024"},
		{"reserved", func(b []byte) { b[tableAt+1] = 1 }, "table entry 0: reserved bits"},
		{"state", func(b []byte) { b[tableAt] = 7 }, "block 0: it is in state 7"},
		{"unknown state", func(b []byte) { b[tableAt+8] = 5 }, "block 1: it is in state 5"},
		{"zero with a place", func(b []byte) { le.PutUint64(b[tableAt+8:], 9<<20|blockZero) }, "block 1: it is all zero, but has a place"},
		{"twice", func(b []byte) { copy(b[tableAt+8:tableAt+16], b[tableAt:]) }, "block 1: it is at 4194304, in block 0"},
		{"unmapped twice", func(b []byte) { le.PutUint64(b[tableAt+8:], 4<<20|blockUnmapped) }, "block 1: it is at 4194304, in block 0"},
		{"in the header", func(b []byte) { le.PutUint64(b[tableAt:], blockPresent) }, "block 0: it is at 0, in header section"},
		{"in the table", func(b []byte) { le.PutUint64(b[tableAt:], tableAt|blockPresent) }, "in region 2DC27766-F623-4200-9D64-115E9BFD4A08"},
		{"beyond", func(b []byte) { b[tableAt+7] = 0xFF }, "block 0: it is at 4611686018427387904"},
	}
}

// problems are what Open or Check reports.
func problems(t testing.TB, b []byte) string {
	t.Helper()
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	return disktest.Problems(t, v, err, ErrFormat)
}

func TestDamage(t *testing.T) {
	good := small(t)
	if got := problems(t, good); got != "" {
		t.Fatalf("undamaged: %s", got)
	}
	for _, tt := range damages() {
		b := bytes.Clone(good)
		tt.change(b)
		if got := problems(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := problems(t, good[:len(good)-1]); !strings.Contains(got, "block 3: it is at 5242880, and the file has") {
		t.Errorf("cut: %q", got)
	}
}

// TestSectorBitmap: a dynamic disk has none, but its table has entries for them.
func TestSectorBitmap(t *testing.T) {
	path := writeFile(t, disktest.Image(t, 5<<30, disktest.Extent(4<<30, disktest.Text(1, 5000))), options(), pipeline.Options{})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[tableAt+8*chunkRatio] = blockPresent
	if got := problems(t, b); !strings.Contains(got, "table entry 4096: a sector bitmap") {
		t.Errorf("got %q", got)
	}
}

// TestSurvives reads a disk in which one copy of each structure is destroyed.
func TestSurvives(t *testing.T) {
	good := small(t)
	want := make([]byte, 5<<20)
	v, err := Open(bytes.NewReader(good), int64(len(good)))
	if err == nil {
		_, err = v.ReadAt(want, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range [][]int{{headerAt, regionAt}, {2 * headerAt, regionAt + regionSize}} {
		b, got := bytes.Clone(good), make([]byte, len(want))
		for _, at := range gone {
			clear(b[at : at+headerSize])
		}
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = v.ReadAt(got, 0)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("without %d: %v", gone, err)
		}
	}
}

// TestSectors4096 changes the sector size, which determines the table's order.
func TestSectors4096(t *testing.T) {
	b := small(t)
	le.PutUint32(b[itemAt+32:], 4096)
	if got := problems(t, b); got != "" {
		t.Fatalf("%s", got)
	}
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil || v.ratio() != 8*chunkRatio {
		t.Fatalf("%v", err)
	}
	disktest.Same(t, disktest.Image(t, 5<<20, disktest.Extent(100, disktest.Text(1, 70000)), disktest.Extent(3<<20, disktest.Text(2, 5000))), v)
}

// TestFlip changes one byte at a time. Either there is a problem, or the disk reads
// as before.
func TestFlip(t *testing.T) {
	good := small(t)
	want := make([]byte, 5<<20)
	v, err := Open(bytes.NewReader(good), int64(len(good)))
	if err == nil {
		_, err = v.ReadAt(want, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	areas := [][2]int{ // the disk's size, which has neither copy nor checksum, is left out
		{0, 520},
		{headerAt, 80},
		{2 * headerAt, 80},
		{regionAt, 80},
		{regionAt + regionSize, 80},
		{metadataAt, 200},
		{itemAt, 8},
		{itemAt + 16, 24},
		{tableAt, 48},
	}
	got, found := make([]byte, len(want)), 0
	for range 600 {
		a := areas[rnd.IntN(len(areas))]
		at, x := a[0]+rnd.IntN(a[1]), byte(1+rnd.IntN(255))
		good[at] ^= x
		if problems(t, good) == "" {
			v, err := Open(bytes.NewReader(good), int64(len(good)))
			if err == nil {
				_, err = v.ReadAt(got, 0)
			}
			if err != nil || v.Size() != int64(len(want)) || !bytes.Equal(got, want) {
				t.Errorf("byte %d changed by %#x: the disk differs, and there is no problem, %v", at, x, err)
			}
		} else {
			found++
		}
		good[at] ^= x
	}
	if found < 200 {
		t.Errorf("%d problems", found)
	}
}

func TestConcurrent(t *testing.T) {
	b := small(t)
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := make([]byte, 5<<20)
			if _, err := v.ReadAt(p, int64(i)); err != nil && err != io.EOF {
				t.Error(err)
			}
			v.Check(t.Context())
		})
	}
	wg.Wait()
}

// FuzzCheck has hostile files, with four bytes of input for each byte of a file:
// area, offset, value. Their checksums are right: no panic, no endless loop.
func FuzzCheck(f *testing.F) {
	good := small(f)
	areas := [][2]int{{0, 8}, {headerAt, 128}, {2 * headerAt, 128}, {regionAt, 1 << 12}, {regionAt + regionSize, 1 << 12}, {metadataAt, 1 << 12}, {itemAt, 64}, {tableAt, 256}}
	f.Add([]byte{7, 0, 0, 7}, uint16(0))
	f.Add([]byte{1, 0, 48, 1, 6, 0, 0, 1, 5, 0, 10, 6}, uint16(9))
	f.Add([]byte{3, 0, 8, 3, 4, 0, 8, 3}, uint16(5))
	f.Fuzz(func(t *testing.T, edits []byte, cut uint16) {
		b := bytes.Clone(good)
		disktest.Edits(b, edits, areas)
		resum(b)
		b = b[:len(b)-int(cut)*64]
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		disktest.Hostile(t, v, err, ErrFormat, 1<<20)
	})
}

// FuzzOpen has arbitrary files.
func FuzzOpen(f *testing.F) {
	f.Add(small(f)[:320<<10], int64(0))
	f.Add([]byte("vhdxfile"), int64(4<<20))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		v, err := Open(bytes.NewReader(b), size)
		if err == nil {
			v.Check(t.Context())
		}
	})
}

// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// qemuKinds are arguments of qemu-img convert. Preallocation and compression
// exclude each other.
var qemuKinds = [][]string{
	{},
	{"-c"},
	{"-c", "-o", "compression_type=zstd"},
	{"-c", "-o", "compat=0.10"},
	{"-o", "compat=0.10"},
	{"-o", "cluster_size=512"},
	{"-c", "-o", "cluster_size=512,refcount_bits=1"},
	{"-o", "cluster_size=2M"},
	{"-c", "-o", "cluster_size=2M"},
	{"-o", "refcount_bits=1"},
	{"-c", "-o", "refcount_bits=2,cluster_size=4k"},
	{"-o", "refcount_bits=4"},
	{"-c", "-o", "refcount_bits=8"},
	{"-o", "refcount_bits=32,lazy_refcounts=on"},
	{"-c", "-o", "refcount_bits=64"},
	{"-o", "preallocation=metadata"},
	{"-o", "preallocation=falloc,cluster_size=128k"},
}

func convert(t testing.TB, raw string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.qcow2")
	tooltest.Run(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, args...), raw, path)...)
	return path
}

// TestCheckClean finds no problem in files written here and by QEMU, and reads
// both.
func TestCheckClean(t *testing.T) {
	for name, m := range images(t) {
		for kind, o := range kinds() {
			if ps := open(t, writeFile(t, m, o, pipeline.Options{})).Check(t.Context()); len(ps) > 0 {
				t.Errorf("%s, %s: %v", name, kind, ps)
			}
		}
		if name != "mixed" && name != "odd size" {
			continue // QEMU's are the same whatever the disk
		}
		raw := disktest.Save(t, m, 512)
		for _, args := range qemuKinds {
			t.Run(fmt.Sprintf("%s/%v", name, args), func(t *testing.T) {
				q := open(t, convert(t, raw, args...))
				if ps := q.Check(t.Context()); len(ps) > 0 {
					t.Errorf("%v", ps)
				}
				disktest.Same(t, m, q)
			})
		}
	}
}

// withSnapshots is a file with two snapshots, a bitmap, and clusters that QEMU
// wrote at different times.
func withSnapshots(t testing.TB, options string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.qcow2")
	tooltest.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "4M")
	tooltest.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 300k", "-c", "write -c -P 2 1M 128k", path)
	tooltest.Run(t, "qemu-img", "snapshot", "-c", "first", path)
	tooltest.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 3 64k 64k", "-c", "write -z 128k 64k", "-c", "write -P 4 2M 64k", path)
	tooltest.Run(t, "qemu-img", "snapshot", "-c", "second", path)
	tooltest.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 5 2M 128k", "-c", "discard 0 64k", path)
	if !strings.Contains(options, "0.10") {
		tooltest.Run(t, "qemu-img", "bitmap", "--add", "--enable", path, "changes")
		tooltest.Run(t, "qemu-img", "bitmap", "--add", "-g", "512k", path, "other")
		tooltest.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 6 3M 64k", path)
	}
	return path
}

func TestCheckSnapshots(t *testing.T) {
	for _, options := range []string{"compat=1.1", "compat=0.10", "cluster_size=4k", "cluster_size=512,refcount_bits=8", "cluster_size=64k,refcount_bits=64"} {
		path := withSnapshots(t, options)
		if out, ok := judge(t, path); !ok {
			t.Fatalf("%s: qemu-img check: %s", options, out)
		}
		if ps := open(t, path).Check(t.Context()); len(ps) > 0 {
			t.Errorf("%s: %v", options, ps)
		}
	}
}

// problems are what Open or Check reports; mine are those that QEMU does not look
// for.
func problems(t testing.TB, b []byte) (all string, mine bool) {
	t.Helper()
	q, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		if !errors.Is(err, ErrFormat) {
			t.Errorf("error without ErrFormat: %v", err)
		}
		return err.Error(), true
	}
	var s strings.Builder
	for _, p := range q.Check(t.Context()) {
		s.WriteString(p.String() + "\n")
		for _, part := range stricter {
			mine = mine || strings.Contains(p.Text, part)
		}
	}
	return s.String(), mine
}

// small is a file with 4 KiB clusters of all kinds.
func small(t testing.TB, args ...string) []byte {
	t.Helper()
	data := append(disktest.Text(1, 40000), disktest.Random(2, 30000)...)
	raw := disktest.Save(t, disktest.Image(t, 4<<20, disktest.Extent(100, data), disktest.Extent(3<<20, disktest.Text(3, 20000))), 512)
	b, err := os.ReadFile(convert(t, raw, args...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tables are the places of header, tables and counts in a file: offset and length.
func tables(t testing.TB, b []byte) [][2]int {
	t.Helper()
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	block := be.Uint64(b[h.refTable:])
	out := [][2]int{{32, 80}, {int(h.l1), int(h.l1Entries) * 8}, {int(h.refTable), 16}, {int(block), 80}}
	for i := range uint64(h.l1Entries) {
		if at := be.Uint64(b[h.l1+8*i:]) & entryOffset; at != 0 {
			out = append(out, [2]int{int(at), 136}, [2]int{int(at), 136})
		}
	}
	if h.snapshots > 0 {
		out = append(out, [2]int{int(h.snapshotsAt), 40})
	}
	return out
}

func TestCheckDamage(t *testing.T) {
	good, packed := small(t, "-o", "cluster_size=4k"), small(t, "-c", "-o", "cluster_size=4k")
	be := binary.BigEndian
	h, err := parseHeader(good)
	if err != nil {
		t.Fatal(err)
	}
	block := be.Uint64(good[h.refTable:])
	l2 := be.Uint64(good[h.l1:]) & entryOffset
	hp, err := parseHeader(packed)
	if err != nil {
		t.Fatal(err)
	}
	pl2 := be.Uint64(packed[hp.l1:]) & entryOffset
	clusters := len(good) / 4096
	for _, tt := range []struct {
		name   string
		file   []byte
		change func(b []byte)
		want   string
	}{
		{"count", good, func(b []byte) { b[block+1]++ }, "cluster 0: leaked: the reference count is 2, and there are 1 references"},
		{"no count", good, func(b []byte) { b[block+1] = 0 }, "cluster 0: the reference count is 0, and there are 1 references"},
		{"counts' width", good, func(b []byte) { b[99] = 7 }, "reference counts of 2^7 bits"},
		{"no counts", good, func(b []byte) { be.PutUint32(b[56:], 0) }, "reference count table: it has no clusters"},
		{"counts beyond", good, func(b []byte) { be.PutUint64(b[48:], 1<<40) }, "reference count table: 4096 bytes at 1099511627776"},
		{"counts within", good, func(b []byte) { b[55]++ }, "reference count table: it is at 4097, which is within a cluster"},
		{"block", good, func(b []byte) { clear(b[h.refTable : h.refTable+8]) }, "clusters 3 to 28: the reference count is 0, and there are 1 references"},
		{"block's place", good, func(b []byte) { b[h.refTable+6] += 2 }, "reference count block 0: it is at 8704, which is within a cluster"},
		{"block's bits", good, func(b []byte) { b[h.refTable+7] = 1 }, "reference count block 0: reserved bits are set: 0x2001"},
		{"block beyond", good, func(b []byte) { b[h.refTable] = 0x70 }, "reference count block 0: 4096 bytes at 8070450532247937024"},
		{"level 1 entry", good, func(b []byte) { b[h.l1] = 0 }, "level 1 table, entry 0: it does not say that its reference count is 1"},
		{"level 1 bits", good, func(b []byte) { b[h.l1+7] = 1 }, "level 1 table, entry 0: reserved bits are set: 0x80000"},
		{"level 2 within", good, func(b []byte) { b[h.l1+6] += 2 }, "level 1 table, entry 0: it is at "},
		{"level 2 beyond", good, func(b []byte) { b[h.l1+2] = 1 }, "level 1 table, entry 0: 4096 bytes at 1099511"},
		{"level 2 twice", good, func(b []byte) { copy(b[h.l1+8:], b[h.l1:h.l1+8]) }, "as another entry has"},
		{"no level 2", good, func(b []byte) { clear(b[h.l1 : h.l1+8]) }, "leaked: the reference count is 1, and there are 0"},
		{"large level 1", good, func(b []byte) { be.PutUint32(b[36:], 1<<23) }, "level 1 table: 8388608 entries"},
		{"entry", good, func(b []byte) { b[l2] = 0 }, "cluster of the disk 0: it does not say"},
		{"entry's bits", good, func(b []byte) { b[l2+7] |= 4 }, "cluster of the disk 0: reserved bits"},
		{"within", good, func(b []byte) { b[l2+8+6] += 2 }, "cluster of the disk 1: it is at "},
		{"beyond", good, func(b []byte) { b[l2+8+2] = 1 }, "cluster of the disk 1: 4096 bytes at 1099511"},
		{"twice", good, func(b []byte) { copy(b[l2+8:l2+16], b[l2:]) }, "the reference count is 1, and there are 2 references"},
		{"on the header", good, func(b []byte) { be.PutUint64(b[l2:], entryCopied|4096) }, "cluster 1: the reference count is 1, and there are 2 references"},
		{"count of 2", good, func(b []byte) { b[block+1+2*(be.Uint64(b[l2:])&entryOffset/4096)] = 2 }, "cluster of the disk 0: it says that its reference count is 1, which is 2"},
		{"unclean", good, func(b []byte) { b[79] |= incompatDirty }, "header: the file was not closed"},
		{"raw data file", good, func(b []byte) { b[95] |= autoclearRawData }, "header: it says that the external data file is raw"},
		{"snapshots", good, func(b []byte) { be.PutUint32(b[60:], 65537) }, "snapshot table: 65537 snapshots"},
		{"place of no snapshots", good, func(b []byte) { b[71] = 2 }, "snapshot table: it is at 2, which is within a cluster"},
		{"high place of no snapshots", good, func(b []byte) { b[64] = 0x80 }, "snapshot table: it is at 0x8000000000000000"},
		{"end of extensions", good, func(b []byte) { b[be.Uint32(b[100:])+4] = 1 }, "header: extension"},
		{"snapshot", good, func(b []byte) { b[63], b[68] = 1, 1 }, "snapshot 1: not a readable qcow2: 40 bytes at 16777216"},
		{"extension", good, func(b []byte) { b[115], b[118] = 1, 32 }, "header: extension"},
		{"compressed", packed, func(b []byte) { b[be.Uint64(b[pl2:])&0xFFFFFFF] ^= 0xFF }, "cluster of the disk 0: not a readable qcow2: compressed cluster at"},
		{"compressed, copied", packed, func(b []byte) { b[pl2] |= 0x80 }, "it is compressed, and says that its reference count is 1"},
		{"compressed, beyond", packed, func(b []byte) { b[pl2+3] = 1 }, "and the file has"},
	} {
		b := bytes.Clone(tt.file)
		tt.change(b)
		if got, _ := problems(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got, _ := problems(t, append(bytes.Clone(good), make([]byte, 8192)...)); got != "" {
		t.Errorf("clusters that nobody counts at the end: %s", got)
	}
	if got, _ := problems(t, good[:(clusters-1)*4096]); !strings.Contains(got, "and the file has") {
		t.Errorf("cut: %q", got)
	}
}

// TestCheckBounds has files whose unbounded checks would take endless memory or
// time.
func TestCheckBounds(t *testing.T) {
	good := small(t, "-o", "cluster_size=4k")
	for _, size := range []int64{15 << 40, 7 << 60} { // as sparse files can claim
		q, err := Open(bytes.NewReader(good), size)
		if err != nil {
			t.Fatal(err)
		}
		if ps := q.Check(t.Context()); len(ps) != 1 || !strings.Contains(ps[0].Text, "are checked") {
			t.Errorf("%d bytes: %v", size, ps)
		}
	}
	// Snapshots that all have the active level 1 table.
	b, err := os.ReadFile(withSnapshots(t, "cluster_size=4k"))
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	const n = 4000
	b = append(b, make([]byte, 4096-len(b)%4096)...)
	at := len(b)
	b = append(b, make([]byte, (n*snapshotSize+n*minExtra+4095)/4096*4096)...)
	for i := range n {
		s := b[at+i*(snapshotSize+minExtra):]
		be.PutUint64(s, h.l1)
		be.PutUint32(s[8:], 512)
		be.PutUint32(s[36:], minExtra)
	}
	be.PutUint32(b[60:], n)
	be.PutUint64(b[64:], uint64(at))
	if got, _ := problems(t, b); !strings.Contains(got, "more entries than the file has room for") {
		t.Errorf("many snapshots: %.300s", got)
	}
	// All clusters of the disk are the same compressed cluster.
	p := small(t, "-c", "-o", "cluster_size=64k")
	if h, err = parseHeader(p); err != nil {
		t.Fatal(err)
	}
	l2 := be.Uint64(p[h.l1:]) & entryOffset
	for i := uint64(1); i < 1<<13; i++ {
		copy(p[l2+8*i:l2+8*i+8], p[l2+8*(i%2):])
	}
	if got, _ := problems(t, p); !strings.Contains(got, "the rest is not unpacked") {
		t.Errorf("one stream for all: %.300s", got)
	}
}

// TestCheckBitmaps damages the places of snapshots' and bitmaps' tables.
func TestCheckBitmaps(t *testing.T) {
	good, err := os.ReadFile(withSnapshots(t, "cluster_size=4k"))
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	ext := bytes.Index(good, []byte{0x23, 0x85, 0x28, 0x75}) + 8
	dir := be.Uint64(good[ext+16:])
	for _, tt := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"autoclear", func(b []byte) { b[95] = 0 }, "leaked: the reference count is 1, and there are 0"},
		{"number", func(b []byte) { clear(b[ext : ext+4]) }, "bitmaps: 0 of them"},
		{"more", func(b []byte) { b[ext+3] = 200 }, "bitmap 3: the directory has no more room"},
		{"directory", func(b []byte) { b[ext+23]++ }, "bitmaps: it is at"},
		{"table", func(b []byte) { b[dir+7]++ }, "bitmap 1: it is at"},
		{"table's length", func(b []byte) { b[dir+8] = 1 }, "bitmap 1: a table of 16777"},
		{"snapshot's table", func(b []byte) { b[be.Uint64(b[64:])+7]++ }, "snapshot 1, level 1 table: it is at"},
		{"snapshot's entries", func(b []byte) { b[be.Uint64(b[64:])+8] = 1 }, "snapshot 1, level 1 table: 16777"},
		{"snapshot's extra data", func(b []byte) { b[be.Uint64(b[64:])+36] = 1 }, "snapshot 1: 16777"},
		{"more snapshots", func(b []byte) { b[63] = 3 }, "snapshot 3: 0 bytes of extra data"},
		{"snapshot's entry", func(b []byte) { b[be.Uint64(b[be.Uint64(b[64:]):])+2] = 1 }, "snapshot 1, level 1 table, entry 0: 4096 bytes at 1099"},
	} {
		b := bytes.Clone(good)
		tt.change(b)
		if got, _ := problems(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCheckEnds: a cancelled check reports nothing.
func TestCheckEnds(t *testing.T) {
	b := small(t)
	b = b[:len(b)-clusterSize]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, want := range []bool{true, false} {
		q, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(q.Check(ctx)) > 0; got != want {
			t.Errorf("problems: %t, want %t", got, want)
		}
		cancel()
	}
}

// FuzzCheck has hostile files, with four bytes of input for each byte of a file:
// area, offset, value. A file without problems can be read.
func FuzzCheck(f *testing.F) {
	snapshots, err := os.ReadFile(withSnapshots(f, "cluster_size=4k"))
	if err != nil {
		f.Fatal(err)
	}
	files := [][]byte{small(f, "-o", "cluster_size=4k"), small(f, "-c", "-o", "cluster_size=4k,refcount_bits=1"), small(f, "-c", "-o", "cluster_size=4k,compression_type=zstd"), snapshots}
	f.Add([]byte{1, 0, 0, 7}, uint8(0), uint16(0))
	f.Add([]byte{2, 0, 34, 1, 4, 0, 10, 6}, uint8(1), uint16(9))
	f.Add([]byte{5, 0, 7, 1}, uint8(2), uint16(0))
	f.Add([]byte{9, 0, 7, 1}, uint8(3), uint16(0))
	f.Fuzz(func(t *testing.T, edits []byte, kind uint8, cut uint16) {
		good := files[int(kind)%len(files)]
		b, areas := bytes.Clone(good), tables(t, good)
		disktest.Edits(b, edits, areas)
		b = b[:max(0, len(b)-int(cut))]
		q, err := Open(bytes.NewReader(b), int64(len(b)))
		disktest.Hostile(t, q, err, ErrFormat, 64<<10)
	})
}

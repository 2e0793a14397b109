// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// TestCheckClean finds no problem in files written here and by QEMU.
func TestCheckClean(t *testing.T) {
	for name, m := range images(t) {
		if ps := open(t, writeFile(t, m, options(), pipeline.Options{})).Check(t.Context()); len(ps) > 0 {
			t.Errorf("%s, dynamic: %v", name, ps)
		}
		if m.Size() > 1<<30 {
			continue // everything reads all of it
		}
		raw := disktest.Save(t, m, 512)
		if ps := open(t, fixed(t, m)).Check(t.Context()); len(ps) > 0 {
			t.Errorf("%s, fixed: %v", name, ps)
		}
		for _, kind := range []string{"force_size=on", "subformat=dynamic", "subformat=fixed,force_size=on", "subformat=fixed"} {
			path := filepath.Join(t.TempDir(), "q.vhd")
			tooltest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", kind, raw, path)
			v := open(t, path)
			if ps := v.Check(t.Context()); len(ps) > 0 {
				t.Errorf("%s, QEMU's %s: %v", name, kind, ps)
			}
			if strings.Contains(kind, "force_size") {
				disktest.Same(t, m, v)
			}
		}
	}
}

// TestCheckWritten checks a disk that QEMU has changed repeatedly.
func TestCheckWritten(t *testing.T) {
	v := open(t, disktest.Rewritten(t, "vpc", "force_size=on"))
	disktest.Changed(t, v)
}

// small is a dynamic disk of four blocks, of which two are allocated.
func small(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(writeFile(t, disktest.Image(t, 7<<20, disktest.Extent(100, disktest.Text(1, 70000)), disktest.Extent(5<<20, disktest.Text(2, 5000))), options(), pipeline.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resum corrects the checksums.
func resum(b []byte) {
	for _, p := range [][3]int{{0, footerSize, 64}, {len(b) - footerSize, footerSize, 64}, {footerSize, headerSize, 36}} {
		s := b[p[0] : p[0]+p[1]]
		clear(s[p[2] : p[2]+4])
		binary.BigEndian.PutUint32(s[p[2]:], checksum(s))
	}
}

// problems are what Open or Check reports.
func problems(t testing.TB, b []byte) string {
	t.Helper()
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	return disktest.Problems(t, v, err, ErrFormat)
}

func TestCheckDamage(t *testing.T) {
	good := small(t)
	be, end, first := binary.BigEndian, len(good)-footerSize, tableAt+512
	if got := problems(t, good); got != "" {
		t.Fatalf("undamaged: %s", got)
	}
	for _, tt := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"footer", func(b []byte) { b[end+100] = 1 }, "footer: not a readable VHD: the footer's checksum"},
		{"no footer", func(b []byte) { clear(b[end:]) }, "footer: not a readable VHD: no conectix footer"},
		{"copy", func(b []byte) { b[100] = 1 }, "footer's copy: not a readable VHD: the footer's checksum"},
		{"another copy", func(b []byte) { b[68]++; resum(b) }, "footer's copy: it differs"},
		{"footer's version", func(b []byte) { b[end+12] = 1; resum(b) }, "footer: version 0x1010000, not 0x10000"},
		{"both footers", func(b []byte) { b[100], b[end+100] = 1, 1 }, "the footer's checksum"},
		{"kind", func(b []byte) { b[63], b[end+63] = 4, 4; resum(b) }, "it is a differencing disk"},
		{"header", func(b []byte) { b[footerSize+100] = 1 }, "the dynamic header's checksum"},
		{"header's version", func(b []byte) { b[footerSize+25] = 2; resum(b) }, "header: version 0x20000"},
		{"header beyond", func(b []byte) { be.PutUint64(b[end+16:], 1<<40); resum(b) }, "dynamic header at 1099511627776"},
		{"entries", func(b []byte) { be.PutUint32(b[footerSize+28:], 3); resum(b) }, "a table of 3 entries"},
		{"table beyond", func(b []byte) { be.PutUint64(b[footerSize+16:], 1<<40); resum(b) }, "entries at 1099511627776"},
		{"table's place", func(b []byte) {
			copy(b[tableAt+2:], bytes.Clone(b[tableAt:tableAt+16]))
			b[footerSize+23] += 2
			resum(b)
		}, "within a sector"},
		{"table on header", func(b []byte) { be.PutUint64(b[footerSize+16:], 1024); resum(b) }, "the table: it is at 1024, in the header"},
		{"block size", func(b []byte) { be.PutUint32(b[footerSize+32:], 3<<20); resum(b) }, "blocks of 3145728"},
		{"beyond", func(b []byte) { b[tableAt] = 0x7F }, "block 0: it is at 1090921695232, and the file has"},
		{"in the footer", func(b []byte) { b[tableAt+11]++ }, "the footer: it is at 4197376, in block 2"},
		{"in the table", func(b []byte) { be.PutUint32(b[tableAt:], 3) }, "it is at 1536, in"},
		{"in the header", func(b []byte) { be.PutUint32(b[tableAt:], 0) }, "it is at 0, in"},
		{"twice", func(b []byte) { copy(b[tableAt+4:tableAt+8], b[tableAt:]) }, "block 1: it is at 2048, in block 0"},
		{"bitmap", func(b []byte) { b[first+1] = 0xF0 }, "block 0: its bitmap leaves out 4 sectors that have data, the first of them sector 12"},
		{"end of bitmap", func(b []byte) { b[end-blockSize-bitmapSize+256] = 0x7F }, "block 2: its bitmap leaves out 1 sectors that have data, the first of them sector 10240"},
	} {
		b := bytes.Clone(good)
		tt.change(b)
		if got := problems(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	b := bytes.Clone(good)
	clear(b[first+137/8+1 : first+bitmapSize]) // of sectors that are zero
	if got := problems(t, b); got != "" {
		t.Errorf("a bitmap that leaves out zeros: %s", got)
	}
}

func TestCheckFixed(t *testing.T) {
	b, err := os.ReadFile(fixed(t, disktest.Image(t, 4096, disktest.Extent(0, disktest.Text(1, 600)))))
	if err != nil {
		t.Fatal(err)
	}
	if got := problems(t, b); got != "" {
		t.Errorf("undamaged: %s", got)
	}
	longer := append(make([]byte, 512), b...)
	if got := problems(t, longer); !strings.Contains(got, "footer: a disk of 4096 bytes, and before the footer are 4608") {
		t.Errorf("longer: %s", got)
	}
	if got := problems(t, b[512:]); !strings.Contains(got, "a fixed disk of 4096 bytes in a file of 4096") {
		t.Errorf("shorter: %s", got)
	}
}

// TestCheckFlip changes one byte at a time. Either there is a problem, or the disk
// reads as before.
func TestCheckFlip(t *testing.T) {
	b := small(t)
	want, got := make([]byte, 7<<20), make([]byte, 7<<20)
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	if err == nil {
		_, err = v.ReadAt(want, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	rnd, found := rand.New(rand.NewPCG(1, 1)), 0
	for range 500 {
		at, x := rnd.IntN(tableAt+512), byte(1+rnd.IntN(255))
		if rnd.IntN(4) == 0 {
			at = tableAt + rnd.IntN(16)
		}
		b[at] ^= x
		if problems(t, b) != "" {
			found++
		} else {
			v, err := Open(bytes.NewReader(b), int64(len(b)))
			if err == nil {
				_, err = v.ReadAt(got, 0)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("byte %d changed by %#x: the disk differs, and there is no problem, %v", at, x, err)
			}
		}
		b[at] ^= x
	}
	if found < 200 {
		t.Errorf("%d problems", found)
	}
}

// FuzzCheck has hostile files, with four bytes of input for each byte of a file:
// area, offset, value. Their checksums are right.
func FuzzCheck(f *testing.F) {
	good := small(f)
	areas := [][2]int{{0, 100}, {len(good) - footerSize, 100}, {footerSize, 64}, {tableAt, 64}, {tableAt + 512, 512}}
	f.Add([]byte{3, 0, 0, 7}, uint16(0))
	f.Add([]byte{2, 0, 34, 1, 4, 0, 10, 6}, uint16(9))
	f.Fuzz(func(t *testing.T, edits []byte, cut uint16) {
		b := bytes.Clone(good)
		disktest.Edits(b, edits, areas)
		resum(b)
		b = b[:len(b)-int(cut)*32]
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		disktest.Hostile(t, v, err, ErrFormat, 1<<20)
	})
}

// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// written are the formats that this package writes, with a file name and their
// names in qemu-img; "" for those that it does not know.
func written() []struct {
	format       Format
	name, driver string
} {
	return []struct {
		format       Format
		name, driver string
	}{
		{Raw, "d.raw", "raw"},
		{RawGzip, "d.raw.gz", ""},
		{RawZstd, "d.img.zst", ""},
		{RawXZ, "d.raw.xz", ""},
		{VMDK, "d.vmdk", "vmdk"},
		{VMDKSparse, "s.vmdk", "vmdk"},
		{VMDKFlat, "f.vmdk", "vmdk"},
		{QCOW2, "d.qcow2", "qcow2"},
		{QCOW2Zlib, "z.qcow2", "qcow2"},
		{QCOW2Zstd, "zstd.qcow2", "qcow2"},
		{VHD, "d.vhd", "vpc"},
		{VHDFixed, "f.vhd", "vpc"},
		{VHDX, "d.vhdx", "vhdx"},
	}
}

// outputs has one output of each format in a directory.
func outputs(dir string) []Output {
	var outs []Output
	for _, f := range written() {
		outs = append(outs, Output{filepath.Join(dir, f.name), f.format})
	}
	return outs
}

func testOptions() WriteOptions {
	return WriteOptions{Seed: []byte("seed"), Time: 1700000000, BlockMap: true}
}

// TestWriteAll writes all formats at once; each is read by our reader and by
// another program's.
func TestWriteAll(t *testing.T) {
	dir, m := t.TempDir(), smallImage(t)
	reads := &counted{Source: m}
	src, err := image.New(m.Size(), []image.Extent{{Len: m.Size(), Src: reads}})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteAll(t.Context(), outputs(dir), src, testOptions()); err != nil {
		t.Fatal(err)
	}
	if reads.n != m.Size() {
		t.Errorf("%d bytes were read of a disk of %d", reads.n, m.Size())
	}
	raw := filepath.Join(dir, "d.raw")
	for _, f := range written() {
		t.Run(string(f.format), func(t *testing.T) {
			path, want := filepath.Join(dir, f.name), f.format
			if f.format == QCOW2Zlib || f.format == QCOW2Zstd {
				want = QCOW2
			}
			sameContent(t, m, path, want)
			switch {
			case f.driver != "":
				tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", f.driver, raw, path)
			case f.format == RawGzip:
				tooltest.Run(t, "gzip", "-t", path)
			case f.format == RawZstd:
				tooltest.Run(t, "zstd", "-qt", path)
			case f.format == RawXZ:
				tooltest.Run(t, "xz", "-t", path)
			}
		})
	}
	for _, name := range []string{"z.qcow2", "d.vmdk", "s.vmdk", "d.vhdx"} {
		tooltest.Run(t, "qemu-img", "check", filepath.Join(dir, name))
	}
	if got := names(t, dir); len(got) != len(written())+1+4 || !slices.Contains(got, "f-flat.vmdk") || !slices.Contains(got, "d.raw.gz.bmap") {
		t.Errorf("there are %q", got)
	}
}

// counted counts what is read.
type counted struct {
	Source *image.Image
	n      int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.n += int64(len(p)) // TestWriteAll has one reader at a time
	return c.Source.ReadAt(p, off)
}

// smallImage has data in three places, and its last block is short.
func smallImage(t testing.TB) *image.Image {
	t.Helper()
	r := rand.New(rand.NewPCG(2, 3))
	b := make([]byte, 3*100_000)
	for i := range b {
		b[i] = byte(r.Uint32() & 0xF)
	}
	m, err := image.New(21*mib+512, []image.Extent{
		{Off: 5, Len: 100_000, Src: image.Bytes(b)},
		{Off: 9*mib - 50_000, Len: 100_000, Src: image.Bytes(b), SrcOff: 100_000},
		{Off: 21*mib - 99_488, Len: 100_000, Src: image.Bytes(b), SrcOff: 200_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSameAlone: each format has the same bytes alone and together with others,
// twice, in another directory, with other workers.
func TestSameAlone(t *testing.T) {
	m, all := smallImage(t), t.TempDir()
	o := testOptions()
	o.Workers = 3
	if err := WriteAll(t.Context(), outputs(all), m, o); err != nil {
		t.Fatal(err)
	}
	for i, f := range written() {
		dir := t.TempDir()
		o := testOptions()
		o.Workers = 1 + i%2
		if err := Write(t.Context(), filepath.Join(dir, f.name), string(f.format), m, o); err != nil {
			t.Fatal(err)
		}
		for _, name := range names(t, dir) {
			a, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(all, name)); err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs, %v", f.format, name, err)
			}
		}
	}
}

// TestRandomDisks writes disks of random sizes and contents.
func TestRandomDisks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, most := range []int64{5000, 5000, mib, 3 * mib, 3 * mib, 40 * mib, 5 << 30} {
		size := 1 + r.Int64N(most)
		if most > 3*mib {
			size = most - 512*r.Int64N(100)
		}
		var xs []image.Extent
		for at := r.Int64N(size + 1); at < size && len(xs) < 8; at += 1 + r.Int64N(size/4+1) {
			b := make([]byte, min(1+r.Int64N(300_000), size-at))
			switch r.IntN(3) {
			case 0:
				for k := range b {
					b[k] = byte(r.Uint32())
				}
			case 1:
				for k := range b {
					b[k] = byte(r.Uint32() & 3)
				}
			}
			xs = append(xs, image.Extent{Off: at, Len: int64(len(b)), Src: image.Bytes(b)})
			at += int64(len(b))
		}
		m, err := image.New(size, xs)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) { checkAll(t, m, r.IntN(10)) })
	}
}

// checkAll writes the disk in every format and compares all extents.
func checkAll(t *testing.T, m *image.Image, level int) {
	dir := t.TempDir()
	o, outs := testOptions(), outputs(dir)
	if o.Level = level; m.Size() > 1<<30 { // these have no holes
		outs = slices.DeleteFunc(outs, func(o Output) bool { return o.Format.packed() || o.Format == VHDFixed || o.Format == VMDKFlat })
	}
	if err := WriteAll(t.Context(), outs, m, o); err != nil {
		t.Fatal(err)
	}
	for i, f := range written() {
		if !slices.ContainsFunc(outs, func(o Output) bool { return o.Format == f.format }) {
			continue
		}
		path := filepath.Join(dir, f.name)
		checkOpen(t, m, path)
		if m.Size() < 8*mib && m.Size()%512 == 0 && f.driver != "" && i > 0 {
			tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", f.driver, filepath.Join(dir, "d.raw"), path)
		}
	}
	checkMap(t, m, filepath.Join(dir, "d.raw"))
}

func checkOpen(t *testing.T, m *image.Image, path string) {
	t.Helper()
	d, err := OpenDisk(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Size() != m.Size() && d.Size() != sectors(m.Size()) {
		t.Errorf("%s: %d bytes", filepath.Base(path), d.Size())
	}
	if err := sameExtents(m, d); err != nil {
		t.Errorf("%s: %v", filepath.Base(path), err)
	}
}

// sameExtents compares the extents of both.
func sameExtents(m *image.Image, d *Opened) error {
	const step = 1 << 20
	a, b := make([]byte, step), make([]byte, step)
	for _, next := range []func(int64) int64{m.NextExtent, d.NextExtent} {
		for off := next(0); off < m.Size(); off = next(off + step) {
			n := min(step, m.Size()-off)
			if _, err := m.ReadAt(a[:n], off); err != nil {
				return err
			}
			if _, err := d.ReadAt(b[:n], off); err != nil {
				return err
			}
			if !bytes.Equal(a[:n], b[:n]) {
				return fmt.Errorf("differs within %d bytes at %d", n, off)
			}
		}
	}
	return nil
}

// TestOldFilesStay: if one of several outputs fails, the old files of all others
// are unchanged.
func TestOldFilesStay(t *testing.T) {
	dir := t.TempDir()
	m, err := image.New(40*mib, []image.Extent{{Len: mib, Src: endless{}}, {Off: 30 * mib, Len: mib, Src: failing{}}})
	if err != nil {
		t.Fatal(err)
	}
	good, err := image.New(40*mib, []image.Extent{{Len: mib, Src: endless{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteAll(t.Context(), outputs(dir), good, testOptions()); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		var b strings.Builder
		for _, n := range names(t, dir) {
			st, err := os.Stat(filepath.Join(dir, n))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, n, st.Size(), st.ModTime())
		}
		return b.String()
	}
	before := state()
	if err := WriteAll(t.Context(), outputs(dir), m, testOptions()); !errors.Is(err, errFailing) {
		t.Errorf("got %v", err)
	}
	outs := append(outputs(dir), Output{"/dev/full", Raw})
	if err := WriteAll(t.Context(), outs, good, testOptions()); err == nil || !strings.HasPrefix(err.Error(), "write /dev/full: ") {
		t.Errorf("got %v", err)
	}
	if after := state(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

var errFailing = errors.New("the disk is on fire")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errFailing }

// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writeFile(t testing.TB, m *image.Image, o Options, po pipeline.Options) string {
	t.Helper()
	return disktest.Write(t, m, po, func(f *os.File) (pipeline.Sink, error) { return NewDynamic(f, m.Size(), o) })
}

func open(t testing.TB, name string) *Reader {
	t.Helper()
	r, err := Open(disktest.File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func images(t testing.TB) map[string]*image.Image {
	disks := disktest.Disks(t)
	disks["tables"] = disktest.Image(t, 300<<20+5120, disktest.Extent(100, disktest.Text(4, 70000)), disktest.Extent(50<<20-10, disktest.Text(5, 20)), disktest.Extent(100<<20, disktest.Text(6, 5<<20)), disktest.Extent(300<<20+5119, []byte{9}))
	disks["large"] = disktest.Image(t, 200<<30, disktest.Extent(5<<30-70000, disktest.Random(2, 140000)), disktest.Extent(200<<30-512, disktest.Text(7, 512)))
	return disks
}

func options() Options { return Options{UUID: [16]byte{1, 2, 3}, Time: 1700000000} }

// fixed adds the footer to a raw disk.
func fixed(t testing.TB, m *image.Image) string {
	t.Helper()
	b, err := FixedFooter(m.Size(), options())
	if err != nil {
		t.Fatal(err)
	}
	path := disktest.Save(t, m, 512)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQemu(t *testing.T) {
	for name, m := range images(t) {
		raw := disktest.Save(t, m, 512)
		for kind, path := range map[string]string{"dynamic": writeFile(t, m, options(), pipeline.Options{}), "fixed": fixed(t, m)} {
			if kind == "fixed" && m.Size() > 4<<30 {
				continue // everything reads all of it
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				r := open(t, path)
				if r.Dynamic() != (kind == "dynamic") {
					t.Errorf("dynamic: %v", r.Dynamic())
				}
				disktest.Same(t, m, r)
				var info struct {
					VirtualSize int64 `json:"virtual-size"`
				}
				if err := json.Unmarshal([]byte(tooltest.Run(t, "qemu-img", "info", "-f", "vpc", "--output=json", path)), &info); err != nil {
					t.Fatal(err)
				}
				if info.VirtualSize != (m.Size()+511)/512*512 {
					t.Errorf("qemu-img info: %+v", info)
				}
				if m.Size() < 4<<30 {
					tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, path)
				}
			})
		}
	}
}

// TestFooter compares the fields with those of qemu-img for the same disk.
func TestFooter(t *testing.T) {
	for _, size := range []int64{1 << 20, 100 << 20, 3 << 30, 130 << 30, 2039 << 30} {
		path := filepath.Join(t.TempDir(), "q.vhd")
		tooltest.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, strconv.FormatInt(size, 10))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := parseFooter(b)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFooter(size, kindDynamic, options())
		if err != nil {
			t.Fatal(err)
		}
		if f.size != want.size || f.kind != want.kind || f.time != 1700000000-epoch {
			t.Errorf("%d: got %+v, want %+v", size, f, want)
		}
	}
}

func TestReproducible(t *testing.T) {
	disktest.Reproducible(t, func(m *image.Image, po pipeline.Options) string { return writeFile(t, m, options(), po) })
}

func TestErrors(t *testing.T) {
	for _, size := range []int64{0, -1, MaxSize + 1} {
		if _, err := NewDynamic(nil, size, Options{}); err == nil {
			t.Errorf("a disk of %d bytes was taken", size)
		}
		if _, err := FixedFooter(size, Options{}); err == nil {
			t.Errorf("a fixed disk of %d bytes was taken", size)
		}
	}
	disktest.Full(t, images(t), func(f *os.File, size int64) (pipeline.Sink, error) { return NewDynamic(f, size, Options{}) })
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(300000), int64(1000), uint(70000), uint64(1))
	f.Fuzz(func(t *testing.T, size, off int64, n uint, seed uint64) {
		n %= 1 << 20
		if size <= 0 || size > 1<<31 || off < 0 || off+int64(n) > size {
			return
		}
		m := disktest.Image(t, size, disktest.Extent(off, disktest.Text(seed, int(n))))
		disktest.Same(t, m, open(t, writeFile(t, m, options(), pipeline.Options{})))
	})
}

// FuzzReader has hostile files: no panic, no endless loop, no more memory than the
// file's size explains.
func FuzzReader(f *testing.F) {
	m := disktest.Image(f, 5<<20, disktest.Extent(4<<20, disktest.Text(1, 1000)))
	for _, path := range []string{fixed(f, disktest.Image(f, 4096, disktest.Extent(0, disktest.Text(1, 600)))), writeFile(f, m, options(), pipeline.Options{})} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 1<<16)], int64(700))
	}
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		r, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error without ErrFormat: %v", err)
			}
			return
		}
		p := make([]byte, 200000)
		for range 10 {
			if off < 0 || off >= r.Size() {
				return
			}
			_, _ = r.ReadAt(p, off)
			off = r.NextExtent(off + 1)
		}
	})
}

// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
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
	return disktest.Write(t, m, po, func(f *os.File) (pipeline.Sink, error) { return New(f, m.Size(), o) })
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
	mixed := disktest.Text(8, 3<<20) // clusters that compress, between others that do not
	for at := 0; at < len(mixed); at += 3 << 16 {
		copy(mixed[at:at+1<<16], disktest.Random(uint64(at), 1<<16))
	}
	disks := disktest.Disks(t)
	disks["mixed"] = disktest.Image(t, 4<<20, disktest.Extent(5, mixed))
	disks["tables"] = disktest.Image(t, 1100<<20, disktest.Extent(100, disktest.Text(4, 70000)), disktest.Extent(512<<20-10, disktest.Text(5, 20)), disktest.Extent(1<<30+512, disktest.Text(6, 5<<20)), disktest.Extent(1100<<20-1, []byte{9}))
	disks["large"] = disktest.Image(t, 16<<30, disktest.Extent(5<<30-70000, disktest.Random(2, 140000)), disktest.Extent(16<<30-512, disktest.Text(7, 512)))
	return disks
}

func kinds() map[string]Options {
	return map[string]Options{
		"plain": {}, "zlib": {Compress: true}, "zlib 1": {Compress: true, Level: 1}, "zstd": {Compress: true, Compression: Zstd},
	}
}

func TestQemu(t *testing.T) {
	for name, m := range images(t) {
		raw := disktest.Save(t, m, 512)
		for kind, o := range kinds() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				path := writeFile(t, m, o, pipeline.Options{})
				disktest.Same(t, m, open(t, path))
				var info struct {
					VirtualSize int64 `json:"virtual-size"`
					Cluster     int64 `json:"cluster-size"`
					Specific    struct {
						Data struct {
							Compat       string `json:"compat"`
							Compression  string `json:"compression-type"`
							RefcountBits int    `json:"refcount-bits"`
							Corrupt      bool   `json:"corrupt"`
						} `json:"data"`
					} `json:"format-specific"`
				}
				if err := json.Unmarshal([]byte(tooltest.Run(t, "qemu-img", "info", "-f", "qcow2", "--output=json", path)), &info); err != nil {
					t.Fatal(err)
				}
				want := "zlib"
				if o.Compression == Zstd {
					want = "zstd"
				}
				d := info.Specific.Data
				if info.VirtualSize != (m.Size()+511)/512*512 || info.Cluster != clusterSize || d.Compat != "1.1" || d.Compression != want || d.RefcountBits != 16 || d.Corrupt {
					t.Errorf("qemu-img info: %+v", info)
				}
				if out := tooltest.Run(t, "qemu-img", "check", "-f", "qcow2", path); !strings.Contains(out, "No errors were found") {
					t.Errorf("qemu-img check: %s", out)
				}
				tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, path)
			})
		}
	}
}

// TestSize: compressed clusters are packed, and holes cost nothing.
func TestSize(t *testing.T) {
	m := disktest.Image(t, 64<<30, disktest.Extent(10<<30, bytes.Repeat([]byte("carosbuild"), 1<<18)))
	for kind, limit := range map[string]int64{"plain": 4 << 20, "zlib": 1 << 20, "zstd": 1 << 20} {
		st, err := os.Stat(writeFile(t, m, kinds()[kind], pipeline.Options{}))
		if err != nil || st.Size() > limit {
			t.Errorf("%s: %d bytes, %v", kind, st.Size(), err)
		}
	}
}

// TestWindow: QEMU sets zlib's window to 4 KiB, and a strict build of zlib refuses
// larger distances.
func TestWindow(t *testing.T) {
	block := append(disktest.Random(1, 5000), disktest.Random(1, 5000)...)
	block = append(block, make([]byte, clusterSize-len(block))...)
	far := append(disktest.Random(1, 4000), disktest.Random(1, 4000)...)
	far = append(far, make([]byte, clusterSize-len(far))...)
	encode := newEncoder(Options{Compress: true})
	if n, m := len(encode(nil, block)), len(encode(nil, far)); n < 10000 || m > 6000 {
		t.Errorf("repeated after 5000 bytes: %d bytes; after 4000 bytes: %d", n, m)
	}
}

func TestReproducible(t *testing.T) {
	for kind, o := range kinds() {
		t.Run(kind, func(t *testing.T) {
			disktest.Reproducible(t, func(m *image.Image, po pipeline.Options) string { return writeFile(t, m, o, po) })
		})
	}
}

func TestErrors(t *testing.T) {
	for _, size := range []int64{0, -1, 1<<51 + 1} {
		if _, err := New(nil, size, Options{}); err == nil {
			t.Errorf("a disk of %d bytes was taken", size)
		}
	}
	disktest.Full(t, images(t), func(f *os.File, size int64) (pipeline.Sink, error) { return New(f, size, Options{}) })
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(300000), int64(1000), uint(70000), uint64(1), uint8(1))
	f.Fuzz(func(t *testing.T, size, off int64, n uint, seed uint64, kind uint8) {
		n %= 1 << 20
		if size <= 0 || size > 1<<31 || off < 0 || off+int64(n) > size {
			return
		}
		data := disktest.Text(seed, int(n))
		if seed%3 == 0 {
			copy(data[len(data)/2:], disktest.Random(seed, int(n)))
		}
		m := disktest.Image(t, size, disktest.Extent(off, data))
		o := Options{Compress: kind%3 > 0, Compression: Compression(kind % 3 / 2), Level: int(kind) / 3 % 10}
		disktest.Same(t, m, open(t, writeFile(t, m, o, pipeline.Options{})))
	})
}

// FuzzReader has hostile files: no panic, no endless loop, no more memory than the
// file's size explains.
func FuzzReader(f *testing.F) {
	for _, kind := range []string{"plain", "zlib", "zstd"} {
		b, err := os.ReadFile(writeFile(f, images(f)["odd size"], kinds()[kind], pipeline.Options{}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, int64(70000))
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

// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// images are the cases that every format must get right.
func images(t testing.TB) map[string]*image.Image {
	disks := disktest.Disks(t)
	disks["partial"] = disktest.Image(t, 1<<20+1536, disktest.Extent(1<<20, disktest.Random(2, 1536)), disktest.Extent(5, disktest.Text(1, 200000)))
	disks["tables"] = disktest.Image(t, 200<<20, disktest.Extent(100, disktest.Text(4, 70000)), disktest.Extent(32<<20-10, disktest.Text(5, 20)), disktest.Extent(64<<20, disktest.Text(6, 5<<20)), disktest.Extent(200<<20-1, []byte{9}))
	disks["large, empty"] = disktest.Image(t, 16<<30, disktest.Extent(16<<30-512, disktest.Text(7, 512)))
	return disks
}

func options() Options {
	return Options{Name: "disk.vmdk", CID: 0xCA405001, UUID: [16]byte{1, 2, 3}, LongContentID: [16]byte{4, 5}}
}

// writers write a disk to a file in each format.
func writers() map[string]func(context.Context, *os.File, Source, Options) error {
	return map[string]func(context.Context, *os.File, Source, Options) error{
		"streamOptimized":  func(ctx context.Context, f *os.File, s Source, o Options) error { return WriteStream(ctx, f, s, o) },
		"monolithicSparse": func(ctx context.Context, f *os.File, s Source, o Options) error { return WriteSparse(ctx, f, s, o) },
	}
}

func writeFile(t testing.TB, format string, src Source, o Options) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writers()[format](t.Context(), f, src, o); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func TestQemu(t *testing.T) {
	for format := range writers() {
		for name, m := range images(t) {
			t.Run(format+"/"+name, func(t *testing.T) {
				vmdk := writeFile(t, format, m, options())
				var info struct {
					VirtualSize int64 `json:"virtual-size"`
					Specific    struct {
						Data struct {
							CID        int64  `json:"cid"`
							CreateType string `json:"create-type"`
							Extents    []struct {
								Compressed bool   `json:"compressed"`
								Cluster    int64  `json:"cluster-size"`
								Format     string `json:"format"`
							} `json:"extents"`
						} `json:"data"`
					} `json:"format-specific"`
				}
				if err := json.Unmarshal([]byte(tooltest.Run(t, "qemu-img", "info", "-f", "vmdk", "--output=json", vmdk)), &info); err != nil {
					t.Fatal(err)
				}
				d := info.Specific.Data
				if info.VirtualSize != (m.Size()+511)/512*512 || d.CID != 0xCA405001 || d.CreateType != format || len(d.Extents) != 1 ||
					d.Extents[0].Compressed != (format == "streamOptimized") || d.Extents[0].Cluster != grainSize {
					t.Errorf("qemu-img info: %+v", info)
				}
				tooltest.Run(t, "qemu-img", "check", "-f", "vmdk", vmdk)
				tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", disktest.Save(t, m, 512), vmdk)
			})
		}
	}
}

// TestLarge covers sizes that qemu-img would take minutes to compare.
func TestLarge(t *testing.T) {
	m := disktest.Image(t, 3<<40, disktest.Extent(0, disktest.Text(1, 512)), disktest.Extent(3<<40-512, disktest.Text(7, 512)))
	for format := range writers() {
		vmdk := writeFile(t, format, m, options())
		tooltest.Run(t, "qemu-img", "info", "-f", "vmdk", vmdk)
		sameDisk(t, m, open(t, vmdk))
	}
}

func open(t testing.TB, name string) *Reader {
	t.Helper()
	r, err := Open(disktest.File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sameDisk compares all extents of both.
func sameDisk(t testing.TB, want, got Source) {
	t.Helper()
	for _, s := range []Source{want, got} {
		a, b := make([]byte, grainSize), make([]byte, grainSize)
		for off := s.NextExtent(0) / grainSize * grainSize; off < want.Size(); off = max(off+grainSize, s.NextExtent(off+grainSize)/grainSize*grainSize) {
			n := min(grainSize, want.Size()-off)
			if _, err := want.ReadAt(a[:n], off); err != nil {
				t.Fatal(err)
			}
			if _, err := got.ReadAt(b[:n], off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a[:n], b[:n]) {
				t.Fatalf("disks differ within %d+%d", off, n)
			}
		}
	}
}

func TestReader(t *testing.T) {
	for format := range writers() {
		for name, m := range images(t) {
			t.Run(format+"/"+name, func(t *testing.T) {
				v := open(t, writeFile(t, format, m, options()))
				if v.Size() != (m.Size()+511)/512*512 {
					t.Fatalf("size %d, want %d", v.Size(), m.Size())
				}
				sameDisk(t, m, v)
				d, err := v.Descriptor()
				if err != nil || !strings.Contains(d, `createType="`+format+`"`) {
					t.Errorf("descriptor %q, %v", d, err)
				}
			})
		}
	}
}

func TestReadQemu(t *testing.T) {
	m := images(t)["tables"]
	for format := range writers() {
		name := filepath.Join(t.TempDir(), "q.vmdk")
		tooltest.Run(t, "qemu-img", "convert", "-O", "vmdk", "-o", "subformat="+format, disktest.Save(t, m, 512), name)
		sameDisk(t, m, open(t, name))
	}
}

// TestStreamLayout walks the file as a consumer that cannot seek does.
func TestStreamLayout(t *testing.T) {
	var b bytes.Buffer
	m := images(t)["tables"]
	if err := WriteStream(t.Context(), struct{ io.Writer }{&b}, m, options()); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	h, err := parseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	want := header{
		version: 3, flags: 0x30001, capacity: 200 << 11, grain: 128, descStart: 1, descSize: 20, tableEntries: 512,
		directory: ^uint64(0), overhead: 128, newlines: [4]byte{10, 32, 13, 10}, compression: 1,
	}
	if diff := cmp.Diff(want, h, cmp.AllowUnexported(header{})); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	var kinds []string
	for at := 128 * 512; at < len(data); {
		size := int(le32(data[at+8:]))
		if size > 0 {
			if at += (grainHeader + size + 511) / 512 * 512; len(kinds) == 0 || kinds[len(kinds)-1] != "grains" {
				kinds = append(kinds, "grains")
			}
			continue
		}
		kinds = append(kinds, fmt.Sprintf("%d:%d", le32(data[at+12:]), le32(data[at:])))
		at += 512 + 512*int(le32(data[at:]))
	}
	if diff := cmp.Diff(strings.Fields("grains 1:4 grains 1:4 grains 1:4 grains 1:4 2:1 3:1 0:0"), kinds); diff != "" {
		t.Errorf("markers (-want +got):\n%s", diff)
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func TestReproducible(t *testing.T) {
	// With this size, most of the last grain would be whatever the buffer contained
	// before.
	m := disktest.Image(t, 80<<20+100, disktest.Extent(0, disktest.Text(1, 7<<20)), disktest.Extent(20<<20, disktest.Random(1, 3<<20)), disktest.Extent(60<<20, disktest.Text(2, 20<<20+100)))
	for format := range writers() {
		var want []byte
		for i, workers := range []int{1, 2, 7, 0, 1} {
			o := options()
			o.Workers = workers
			got, err := os.ReadFile(writeFile(t, format, m, o))
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && !bytes.Equal(got, want) {
				t.Errorf("%s: %d workers give other bytes", format, workers)
			}
			want = got
		}
	}
}

func TestProgress(t *testing.T) {
	o, last := options(), int64(0)
	o.Progress = func(done, total int64) {
		if done < last || total != 200<<20 {
			t.Errorf("progress %d after %d of %d", done, last, total)
		}
		last = done
	}
	if err := WriteStream(t.Context(), io.Discard, images(t)["tables"], o); err != nil || last != 200<<20 {
		t.Errorf("last progress %d, %v", last, err)
	}
}

type broken struct{ *image.Image }

var errBroken = errors.New("disk on fire")

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off > 10<<20 {
		return 0, errBroken
	}
	return b.Image.ReadAt(p, off)
}

type full struct{ left int }

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestErrors(t *testing.T) {
	m := disktest.Image(t, 64<<20, disktest.Extent(0, disktest.Text(1, 30<<20)))
	for _, workers := range []int{1, 4} {
		o := options()
		o.Workers = workers
		if err := WriteStream(t.Context(), io.Discard, broken{m}, o); !errors.Is(err, errBroken) {
			t.Errorf("read error: got %v", err)
		}
		if err := WriteStream(t.Context(), &full{3 << 20}, m, o); !errors.Is(err, errFull) {
			t.Errorf("write error: got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(done, _ int64) {
			if done > 5<<20 {
				cancel()
			}
		}
		if err := WriteStream(ctx, io.Discard, m, o); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
		cancel()
	}
	o := options()
	o.Name = "a\"b"
	if err := WriteStream(t.Context(), io.Discard, m, o); err == nil {
		t.Error("a name with quotes was accepted")
	}
	if err := WriteStream(t.Context(), io.Discard, disktest.Image(t, 0), options()); err == nil {
		t.Error("an empty disk was accepted")
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(300000), int64(1000), uint(70000), uint64(1), 1)
	f.Fuzz(func(t *testing.T, size, off int64, n uint, seed uint64, level int) {
		n %= 1 << 20
		if size <= 0 || size > 1<<28 || off < 0 || off+int64(n) > size {
			return
		}
		data := disktest.Text(seed, int(n))
		if seed%3 == 0 {
			copy(data[len(data)/2:], disktest.Random(seed, int(n)))
		}
		m := disktest.Image(t, size, disktest.Extent(off, data))
		o := options()
		o.Level = level % 10
		for format := range writers() {
			sameDisk(t, m, open(t, writeFile(t, format, m, o)))
		}
	})
}

// FuzzReader has hostile files: no panic, no endless loop, no more memory than the
// file's size explains.
func FuzzReader(f *testing.F) {
	for format := range writers() {
		b, err := os.ReadFile(writeFile(f, format, images(f)["partial"], options()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, int64(70000))
	}
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error without ErrFormat: %v", err)
			}
			return
		}
		_, _ = v.Descriptor()
		_ = v.Check(t.Context())
		p := make([]byte, 200000)
		for range 10 {
			if off < 0 || off >= v.Size() {
				return
			}
			_, _ = v.ReadAt(p, off)
			off = v.NextExtent(off + 1)
		}
	})
}

// BenchmarkStream uses a raw image from CAROSBUILD_BENCH_IMAGE.
func BenchmarkStream(b *testing.B) {
	name := os.Getenv("CAROSBUILD_BENCH_IMAGE")
	if name == "" {
		b.Skip("CAROSBUILD_BENCH_IMAGE is not set")
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	m := disktest.Image(b, st.Size(), image.Extent{Len: st.Size(), Src: f})
	for _, level := range []int{3, 6, 7} {
		b.Run(fmt.Sprintf("level%d", level), func(b *testing.B) {
			n := &full{1 << 60}
			for b.Loop() {
				n.left = 1 << 60
				if err := WriteStream(b.Context(), n, m, Options{Level: level, Workers: runtime.GOMAXPROCS(0)}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(st.Size())
			b.ReportMetric(float64(1<<60-n.left)/1e6, "MB-out")
		})
	}
}

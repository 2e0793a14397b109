// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func tool(t testing.TB, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err == nil {
		return p
	}
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func runTool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// noise is n bytes that deflate makes a little smaller.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "etaoin shrdlu\n0123456789<>{}();"[r.IntN(31)]
	}
	return b
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b)
	return b
}

func mustImage(t testing.TB, size int64, xs ...image.Extent) *image.Image {
	t.Helper()
	m, err := image.New(size, xs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func extent(off int64, b []byte) image.Extent {
	return image.Extent{Off: off, Len: int64(len(b)), Src: image.Bytes(b)}
}

// images are the cases that every format must get right.
func images(t testing.TB) map[string]*image.Image {
	return map[string]*image.Image{
		"hole":         mustImage(t, 8<<20),
		"one byte":     mustImage(t, 1<<20, extent(70000, []byte{1})),
		"zeros":        mustImage(t, 1<<20, extent(0, make([]byte, 300000))),
		"random":       mustImage(t, 3<<20, extent(0, random(1, 3<<20))),
		"partial":      mustImage(t, 1<<20+1536, extent(1<<20, random(2, 1536)), extent(5, noise(1, 200000))),
		"odd size":     mustImage(t, 100001, extent(65536, noise(3, 34465))),
		"tables":       mustImage(t, 200<<20, extent(100, noise(4, 70000)), extent(32<<20-10, noise(5, 20)), extent(64<<20, noise(6, 5<<20)), extent(200<<20-1, []byte{9})),
		"large, empty": mustImage(t, 16<<30, extent(16<<30-512, noise(7, 512))),
	}
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

func writeRaw(t testing.TB, m *image.Image) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate((m.Size() + 511) / 512 * 512); err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Extents() {
		if _, err := io.Copy(io.NewOffsetWriter(f, x.Off), io.NewSectionReader(m, x.Off, x.Len)); err != nil {
			t.Fatal(err)
		}
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
				if err := json.Unmarshal([]byte(runTool(t, "qemu-img", "info", "-f", "vmdk", "--output=json", vmdk)), &info); err != nil {
					t.Fatal(err)
				}
				d := info.Specific.Data
				if info.VirtualSize != (m.Size()+511)/512*512 || d.CID != 0xCA405001 || d.CreateType != format || len(d.Extents) != 1 ||
					d.Extents[0].Compressed != (format == "streamOptimized") || d.Extents[0].Cluster != grainSize {
					t.Errorf("qemu-img info: %+v", info)
				}
				runTool(t, "qemu-img", "check", "-f", "vmdk", vmdk)
				runTool(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", writeRaw(t, m), vmdk)
			})
		}
	}
}

// TestLarge is about sizes that qemu-img would take minutes to compare.
func TestLarge(t *testing.T) {
	m := mustImage(t, 3<<40, extent(0, noise(1, 512)), extent(3<<40-512, noise(7, 512)))
	for format := range writers() {
		vmdk := writeFile(t, format, m, options())
		runTool(t, "qemu-img", "info", "-f", "vmdk", vmdk)
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

// sameDisk compares all that is covered in either.
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
		runTool(t, "qemu-img", "convert", "-O", "vmdk", "-o", "subformat="+format, writeRaw(t, m), name)
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
	// The size leaves most of the last grain to whatever the buffer held before.
	m := mustImage(t, 80<<20+100, extent(0, noise(1, 7<<20)), extent(20<<20, random(1, 3<<20)), extent(60<<20, noise(2, 20<<20+100)))
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
	m := mustImage(t, 64<<20, extent(0, noise(1, 30<<20)))
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
	if err := WriteStream(t.Context(), io.Discard, mustImage(t, 0), options()); err == nil {
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
		data := noise(seed, int(n))
		if seed%3 == 0 {
			copy(data[len(data)/2:], random(seed, int(n)))
		}
		m := mustImage(t, size, extent(off, data))
		o := options()
		o.Level = level % 10
		for format := range writers() {
			sameDisk(t, m, open(t, writeFile(t, format, m, o)))
		}
	})
}

// FuzzReader gives hostile files: no panic, no endless loop, no more memory
// than the file's size explains.
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

// BenchmarkStream takes a raw image from CAROSBUILD_BENCH_IMAGE.
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
	m := mustImage(b, st.Size(), image.Extent{Len: st.Size(), Src: f})
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

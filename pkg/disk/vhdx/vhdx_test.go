// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func runTool(t testing.TB, name string, args ...string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), p, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// text is n bytes that compress, random such that do not.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "etaoin shrdlu\n0123456789<>{}();"[r.IntN(31)]
	}
	return b
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
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

func writeFile(t testing.TB, m *image.Image, o Options, po pipeline.Options) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := New(f, m.Size(), o)
	if err == nil {
		err = pipeline.Run(t.Context(), m, po, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// writeRaw writes the disk rounded up to sectors.
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

func images(t testing.TB) map[string]*image.Image {
	return map[string]*image.Image{
		"hole":     mustImage(t, 8<<20),
		"one byte": mustImage(t, 1<<20, extent(70000, []byte{1})),
		"zeros":    mustImage(t, 1<<20, extent(0, make([]byte, 300000))),
		"random":   mustImage(t, 3<<20, extent(0, random(1, 3<<20))),
		"odd size": mustImage(t, 100001, extent(65536, text(3, 34465))),
		"tables":   mustImage(t, 300<<20+5120, extent(100, text(4, 70000)), extent(50<<20-10, text(5, 20)), extent(100<<20, text(6, 5<<20)), extent(300<<20+5119, []byte{9})),
		"large":    mustImage(t, 5<<30, extent(4<<30-70000, random(2, 140000)), extent(5<<30-512, text(7, 512))),
	}
}

func options() Options { return Options{FileID: [16]byte{1, 2, 3}, DiskID: [16]byte{4, 5}} }

func TestQemu(t *testing.T) {
	for name, m := range images(t) {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, m, options(), pipeline.Options{})
			v := open(t, path)
			disktest.Same(t, m, v)
			if ps := v.Check(t.Context()); len(ps) > 0 {
				t.Errorf("%v", ps)
			}
			var info struct {
				VirtualSize int64 `json:"virtual-size"`
				Cluster     int64 `json:"cluster-size"`
			}
			if err := json.Unmarshal([]byte(runTool(t, "qemu-img", "info", "-f", "vhdx", "--output=json", path)), &info); err != nil {
				t.Fatal(err)
			}
			if info.VirtualSize != (m.Size()+511)/512*512 || info.Cluster != blockSize {
				t.Errorf("qemu-img info: %+v", info)
			}
			if out := runTool(t, "qemu-img", "check", "-f", "vhdx", path); !strings.Contains(out, "No errors were found") {
				t.Errorf("qemu-img check: %s", out)
			}
			if m.Size() < 1<<30 {
				runTool(t, "qemu-img", "compare", "-f", "raw", "-F", "vhdx", writeRaw(t, m), path)
			} else {
				comparePart(t, m, path, 4094, 5)
				comparePart(t, m, path, m.Size()>>20-2, 2)
			}
			if st, err := os.Stat(path); err != nil || st.Size()%mebibyte != 0 || st.Size() > 20<<20 {
				t.Errorf("a file of %d bytes, %v", st.Size(), err)
			}
		})
	}
}

// comparePart compares n MiB from a MiB of the disk on: qemu-img takes half a
// minute for 5 GiB of zeros.
func comparePart(t *testing.T, m *image.Image, path string, from, n int64) {
	t.Helper()
	part := filepath.Join(t.TempDir(), "part")
	runTool(t, "qemu-img", "dd", "-f", "vhdx", "-O", "raw", "bs=1M", fmt.Sprintf("skip=%d", from), fmt.Sprintf("count=%d", from+n), "if="+path, "of="+part)
	got, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, n<<20)
	if _, err := m.ReadAt(want, from<<20); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d MiB from %d on differ: %d bytes", n, from, len(got))
	}
}

func TestReproducible(t *testing.T) {
	m := mustImage(t, 30<<20+100, extent(0, text(1, 3<<20)), extent(9<<20, random(1, 1<<20)), extent(26<<20, text(2, 4<<20+100)))
	var want []byte
	for i, po := range []pipeline.Options{{Workers: 1}, {Workers: 2}, {Workers: 7}, {Chunk: 4 << 20}, {Workers: 1}} {
		got, err := os.ReadFile(writeFile(t, m, options(), po))
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && !bytes.Equal(got, want) {
			t.Errorf("%+v gives other bytes", po)
		}
		want = got
	}
}

func TestErrors(t *testing.T) {
	for _, size := range []int64{0, -1, MaxSize + 1} {
		if _, err := New(nil, size, Options{}); err == nil {
			t.Errorf("a disk of %d bytes was taken", size)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for name, m := range images(t) {
		s, err := New(full, m.Size(), Options{})
		if err == nil {
			err = pipeline.Run(t.Context(), m, pipeline.Options{}, s)
		}
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

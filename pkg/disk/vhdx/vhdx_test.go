// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

func images(t testing.TB) map[string]*image.Image {
	disks := disktest.Disks(t)
	disks["tables"] = disktest.Image(t, 300<<20+5120, disktest.Extent(100, disktest.Text(4, 70000)), disktest.Extent(50<<20-10, disktest.Text(5, 20)), disktest.Extent(100<<20, disktest.Text(6, 5<<20)), disktest.Extent(300<<20+5119, []byte{9}))
	disks["large"] = disktest.Image(t, 5<<30, disktest.Extent(4<<30-70000, disktest.Random(2, 140000)), disktest.Extent(5<<30-512, disktest.Text(7, 512)))
	return disks
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
			if err := json.Unmarshal([]byte(tooltest.Run(t, "qemu-img", "info", "-f", "vhdx", "--output=json", path)), &info); err != nil {
				t.Fatal(err)
			}
			if info.VirtualSize != (m.Size()+511)/512*512 || info.Cluster != blockSize {
				t.Errorf("qemu-img info: %+v", info)
			}
			if out := tooltest.Run(t, "qemu-img", "check", "-f", "vhdx", path); !strings.Contains(out, "No errors were found") {
				t.Errorf("qemu-img check: %s", out)
			}
			if m.Size() < 1<<30 {
				tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vhdx", disktest.Save(t, m, 512), path)
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

// comparePart compares n MiB of the disk from a MiB on: qemu-img takes half a
// minute for 5 GiB of zeros.
func comparePart(t *testing.T, m *image.Image, path string, from, n int64) {
	t.Helper()
	part := filepath.Join(t.TempDir(), "part")
	tooltest.Run(t, "qemu-img", "dd", "-f", "vhdx", "-O", "raw", "bs=1M", fmt.Sprintf("skip=%d", from), fmt.Sprintf("count=%d", from+n), "if="+path, "of="+part)
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
	disktest.Reproducible(t, func(m *image.Image, po pipeline.Options) string { return writeFile(t, m, options(), po) })
}

func TestErrors(t *testing.T) {
	for _, size := range []int64{0, -1, MaxSize + 1} {
		if _, err := New(nil, size, Options{}); err == nil {
			t.Errorf("a disk of %d bytes was taken", size)
		}
	}
	disktest.Full(t, images(t), func(f *os.File, size int64) (pipeline.Sink, error) { return New(f, size, Options{}) })
}

// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"math/rand/v2"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// randomDisk has up to n pieces of text, noise and zeros anywhere.
func randomDisk(t testing.TB, seed uint64, size int64, n int) *image.Image {
	r := rand.New(rand.NewPCG(seed, 1))
	var xs []image.Extent
	for off := int64(0); len(xs) < n; {
		if off += r.Int64N(1 + 2*size/int64(n)); off >= size {
			break
		}
		length := int(min(1+r.Int64N(200_000), size-off))
		b := [][]byte{disktest.Text(seed, length), disktest.Random(seed, length), make([]byte, length)}[r.IntN(3)]
		xs = append(xs, disktest.Extent(off, b))
		off += int64(length)
	}
	return disktest.Image(t, size, xs...)
}

// FuzzBuild has our reader and qemu-img read random disks.
func FuzzBuild(f *testing.F) {
	f.Add(int64(1), uint8(1), uint64(1), uint16(0))
	f.Add(int64(100_001), uint8(3), uint64(2), uint16(1))
	f.Add(int64(300<<20+5120), uint8(9), uint64(3), uint16(16))
	f.Fuzz(func(t *testing.T, size int64, n uint8, seed uint64, chunk uint16) {
		if size <= 0 || size > 1<<30 {
			return
		}
		m := randomDisk(t, seed, size, int(n))
		o := Options{FileID: [16]byte{1, byte(seed)}, DiskID: [16]byte{2, byte(seed)}}
		path := writeFile(t, m, o, pipeline.Options{Workers: 1 + int(seed%3), Chunk: int64(chunk%64) * 65536})
		v := open(t, path)
		if ps := v.Check(t.Context()); len(ps) > 0 {
			t.Errorf("damage: %v", ps)
		}
		disktest.Same(t, m, v)
		tooltest.Run(t, "qemu-img", "check", "-f", "vhdx", path)
		tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vhdx", disktest.Save(t, m, 512), path)
	})
}

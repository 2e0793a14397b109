// SPDX-License-Identifier: MPL-2.0

package disktest

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Text is n bytes that compress a little.
func Text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "etaoin shrdlu\n0123456789<>{}();"[r.IntN(31)]
	}
	return b
}

// Random is n bytes that do not compress.
func Random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// Image is a disk with these extents.
func Image(t testing.TB, size int64, xs ...image.Extent) *image.Image {
	t.Helper()
	m, err := image.New(size, xs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Extent has the bytes at an offset.
func Extent(off int64, b []byte) image.Extent {
	return image.Extent{Off: off, Len: int64(len(b)), Src: image.Bytes(b)}
}

// Disks are cases that every format must get right.
func Disks(t testing.TB) map[string]*image.Image {
	return map[string]*image.Image{
		"hole":     Image(t, 8<<20),
		"one byte": Image(t, 1<<20, Extent(70000, []byte{1})),
		"zeros":    Image(t, 1<<20, Extent(0, make([]byte, 300000))),
		"random":   Image(t, 3<<20, Extent(0, Random(1, 3<<20))),
		"odd size": Image(t, 100001, Extent(65536, Text(3, 34465))),
	}
}

// Save writes an image to a sparse file, whose size is rounded up to a multiple of
// unit bytes, and returns its name.
func Save(t testing.TB, m *image.Image, unit int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate((m.Size() + unit - 1) / unit * unit); err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Extents() {
		if _, err := io.Copy(io.NewOffsetWriter(f, x.Off), io.NewSectionReader(m, x.Off, x.Len)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Changed checks a disk made by Rewritten.
func Changed(t testing.TB, v CheckedReader) {
	t.Helper()
	Clean(t, v)
	for off, want := range map[int64]byte{0: 0, 5 << 20: 2, 5<<20 + 512: 0, 30 << 20: 1, 31 << 20: 3, 34<<20 - 1: 3, 34 << 20: 0} {
		b := make([]byte, 1)
		if _, err := v.ReadAt(b, off); err != nil || b[0] != want {
			t.Errorf("at %d: %d, want %d, %v", off, b[0], want, err)
		}
	}
}

// Sum is the checksum of a content of size bytes.
func Sum(t testing.TB, r io.ReaderAt, size int64) uint32 {
	t.Helper()
	h := crc32.NewIEEE()
	if size > 0 {
		if n, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil || n != size {
			t.Fatalf("read %d bytes of %d: %v", n, size, err)
		}
	}
	return h.Sum32()
}

// Mark is a content of zeros with the letter m at an offset.
type Mark struct{ Size, At int64 }

// ReadAt implements io.ReaderAt.
func (m Mark) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), m.Size-off))
	clear(p)
	if m.At >= off && m.At < off+int64(n) {
		p[m.At-off] = 'm'
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Checked is a reader with a check.
type Checked interface {
	Check(ctx context.Context) []damage.Problem
}

// CheckedReader is a reader of a disk with a check.
type CheckedReader interface {
	Checked
	io.ReaderAt
}

// Problems is the text of the error of opening v, which has to wrap format, or else
// the problems that a check of v finds, one per line.
func Problems[V Checked](t testing.TB, v V, err, format error) string {
	t.Helper()
	if err != nil {
		if !errors.Is(err, format) {
			t.Errorf("error without %q: %v", format, err)
		}
		return err.Error()
	}
	var s strings.Builder
	for _, p := range v.Check(t.Context()) {
		s.WriteString(p.String() + "\n")
	}
	return s.String()
}

// Findings are the problems that a check of v finds, or the error of opening it.
func Findings[V Checked](t testing.TB, v V, err error) []damage.Problem {
	t.Helper()
	if err != nil {
		return []damage.Problem{{Text: err.Error()}}
	}
	return v.Check(t.Context())
}

// Hostile checks that an error of opening v wraps format, and that v can be read if
// a check finds no problem; see Readable.
func Hostile[V interface {
	Checked
	pipeline.Source
}](t testing.TB, v V, err, format error, step int64) {
	t.Helper()
	switch {
	case err != nil && !errors.Is(err, format):
		t.Errorf("error without %q: %v", format, err)
	case err == nil && len(v.Check(t.Context())) == 0:
		Readable(t, v, step)
	}
}

// Clean fails the test with each problem that a check finds.
func Clean(t testing.TB, v Checked) {
	t.Helper()
	for _, p := range v.Check(t.Context()) {
		t.Errorf("problem where nothing is wrong: %s", p)
	}
}

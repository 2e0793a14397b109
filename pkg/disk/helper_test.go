// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// sameContent compares all bytes of m with the disk at path.
func sameContent(t testing.TB, m *image.Image, path string, format Format) {
	t.Helper()
	o, err := OpenDisk(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Format != format || o.Size() != m.Size() {
		t.Fatalf("%s: format %s, %d bytes, want %s, %d", filepath.Base(path), o.Format, o.Size(), format, m.Size())
	}
	a, b := make([]byte, mib+100), make([]byte, mib+100)
	for off := int64(0); off < m.Size(); off += int64(len(a)) {
		n, err := m.ReadAt(a, off)
		k, gerr := o.ReadAt(b, off)
		if n != k || (err == io.EOF) != (gerr == io.EOF) || gerr != nil && gerr != io.EOF || !bytes.Equal(a[:n], b[:k]) {
			t.Fatalf("%s: differs from %d on: %d bytes, %v", path, off, k, gerr)
		}
		if !o.Covered(off, int64(len(a))) && !pipeline.IsZero(a[:n]) {
			t.Errorf("%s: a hole at %d", path, off)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

// endless reads as ones.
type endless struct{}

func (endless) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = 1
	}
	return len(p), nil
}

// SPDX-License-Identifier: MPL-2.0

package disktest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// Write writes a disk to a file through a sink, and returns the file's name.
func Write(t testing.TB, m *image.Image, o pipeline.Options, sink func(f *os.File) (pipeline.Sink, error)) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s, err := sink(f)
	if err == nil {
		err = pipeline.Run(t.Context(), m, o, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Rewritten is the name of a disk of 40 MiB that QEMU has changed repeatedly;
// Changed checks its content.
func Rewritten(t testing.TB, driver, option string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	tooltest.Run(t, "qemu-img", "create", "-q", "-f", driver, "-o", option, path, "40M")
	tooltest.Run(t, "qemu-io", "-f", driver, "-c", "write -P 1 30M 2M", path)
	tooltest.Run(t, "qemu-io", "-f", driver, "-c", "write -P 2 5M 512", "-c", "write -P 3 31M 3M", path)
	return path
}

// Reproducible fails the test unless a format gives the same bytes with any number
// of workers and any size of chunks. write returns the name of a file.
func Reproducible(t *testing.T, write func(m *image.Image, o pipeline.Options) string) {
	t.Helper()
	m := Image(t, 30<<20+100, Extent(0, Text(1, 3<<20)), Extent(9<<20, Random(1, 1<<20)), Extent(26<<20, Text(2, 4<<20+100)))
	var want []byte
	for i, o := range []pipeline.Options{{Workers: 1}, {Workers: 2}, {Workers: 7}, {Chunk: 4 << 20}, {Workers: 1}} {
		got, err := os.ReadFile(write(m, o))
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && !bytes.Equal(got, want) {
			t.Errorf("%+v gives other bytes", o)
		}
		want = got
	}
}

// Full fails the test unless a sink reports that there is no space for a disk.
func Full(t *testing.T, disks map[string]*image.Image, sink func(f *os.File, size int64) (pipeline.Sink, error)) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	for name, m := range disks {
		s, err := sink(full, m.Size())
		if err == nil {
			err = pipeline.Run(t.Context(), m, pipeline.Options{}, s)
		}
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

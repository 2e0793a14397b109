// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// packedSeeds are a small disk in each compressed format.
func packedSeeds(f *testing.F) [][]byte {
	block := append(bytes.Repeat([]byte("carosbuild "), 2000), make([]byte, 100_000)...)
	var seeds [][]byte
	for _, format := range []Format{RawGzip, RawZstd, RawXZ} {
		pack, err := newPacker(format, 0)
		if err != nil {
			f.Fatal(err)
		}
		one, err := pack(nil, block)
		if err != nil {
			f.Fatal(err)
		}
		two, err := pack(bytes.Clone(one), block[:5000])
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, one, two, one[:len(one)-5])
	}
	return seeds
}

// FuzzUnpack has compressed disks that are nearly valid. If one is accepted, the
// format's own tool accepts it, too, and both see the same bytes.
func FuzzUnpack(f *testing.F) {
	for _, b := range packedSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 16 << 20 // a few bytes can stand for terabytes
		in, packed, err := Decompress(bytes.NewReader(b))
		if err != nil || !packed || bytes.HasPrefix(b, []byte("BZh")) {
			return
		}
		want, err := io.ReadAll(io.LimitReader(in, most+1))
		if len(want) > most {
			return
		}
		path := filepath.Join(t.TempDir(), "d")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		d, openErr := OpenDisk(path)
		if (openErr == nil) != (err == nil) {
			t.Fatalf("read: %v; opened: %v", err, openErr)
		}
		if err != nil {
			return
		}
		defer d.Close()
		got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the disk has %d bytes, the stream %d, %v", len(got), len(want), err)
		}
		foreign(t, path, d.Format, want)
	})
}

// foreign compares a compressed file with the output of its own tool.
func foreign(t *testing.T, path string, format Format, want []byte) {
	tool := map[Format]string{RawGzip: "gzip", RawZstd: "zstd", RawXZ: "xz"}[format]
	tooltest.Find(t, tool)
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.CommandContext(t.Context(), tool, "-dc")
	cmd.Stdin = in
	got, err := cmd.Output()
	if err == nil && bytes.Equal(got, want) {
		return
	}
	var x *exec.ExitError
	if errors.As(err, &x) {
		t.Fatalf("%s: %v: %s", tool, err, x.Stderr)
	}
	t.Errorf("%s gives %d bytes, we %d, %v", tool, len(got), len(want), err)
}

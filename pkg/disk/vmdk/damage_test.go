// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// TestCheckClean finds no problem in files written here and by QEMU.
func TestCheckClean(t *testing.T) {
	for name, m := range images(t) {
		for format := range writers() {
			if ps := open(t, writeFile(t, format, m, options())).Check(t.Context()); len(ps) > 0 {
				t.Errorf("%s, %s: %v", name, format, ps)
			}
		}
		for _, kind := range []string{"streamOptimized", "monolithicSparse"} {
			path := filepath.Join(t.TempDir(), "q.vmdk")
			tooltest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat="+kind, disktest.Save(t, m, 512), path)
			if ps := open(t, path).Check(t.Context()); len(ps) > 0 {
				t.Errorf("%s, QEMU's %s: %v", name, kind, ps)
			}
		}
	}
}

// TestCheckFlip changes one byte at a time. Either there is a problem, or the disk
// reads as before; uncompressed grains have no checksum.
func TestCheckFlip(t *testing.T) {
	for format := range writers() {
		path := writeFile(t, format, images(t)["partial"], options())
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v := open(t, path)
		want := content(t, v)
		end := len(good)
		if !v.Compressed() {
			end = int(v.h.overhead) * sectorSize
		}
		rnd := rand.New(rand.NewPCG(1, 1))
		for range 400 {
			b := bytes.Clone(good)
			at := rnd.IntN(end)
			b[at] ^= byte(1 + rnd.IntN(255))
			v, err := Open(bytes.NewReader(b), int64(len(b)))
			if err != nil || len(v.Check(t.Context())) > 0 {
				continue
			}
			if got := content(t, v); !bytes.Equal(got, want) {
				t.Errorf("%s: byte %d changed: the disk differs, and there is no problem", format, at)
			}
		}
	}
}

func content(t testing.TB, v *Reader) []byte {
	t.Helper()
	b := make([]byte, v.Size())
	if _, err := v.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCheckProblems(t *testing.T) {
	sparse, err := os.ReadFile(writeFile(t, "monolithicSparse", images(t)["partial"], options()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := Open(bytes.NewReader(sparse), int64(len(sparse)))
	if err != nil {
		t.Fatal(err)
	}
	table := int(v.gd[0]) * sectorSize
	for _, tt := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"beyond", func(b []byte) { b[table+3] = 0x7F }, "grain 0: it is at sector"},
		{"twice", func(b []byte) { copy(b[table+4:table+8], b[table:]) }, "in grain 0"},
		{"unclean", func(b []byte) { b[72] = 1 }, "header: the disk was not closed"},
		{"redundant", func(b []byte) { b[int(v.h.redundant)*sectorSize] ^= 1 }, "redundant directory: table 0 differs"},
	} {
		b := bytes.Clone(sparse)
		tt.change(b)
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, p := range v.Check(t.Context()) {
			found = found || strings.Contains(p.String(), tt.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %q", tt.name, v.Check(t.Context()), tt.want)
		}
	}
}

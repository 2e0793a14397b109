// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// noise depends only on the seed.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// plainLayout has an image with one uncompressed layer.
func plainLayout(t *testing.T, stream []byte) (*ocitest.Layout, v1.Descriptor) {
	t.Helper()
	l := ocitest.NewLayout(t)
	d := l.Blob(types.OCIUncompressedLayer, stream)
	l.Index(l.Image(stream, nil))
	return l, d
}

// Every piece of a blob has the right bytes, whatever its bounds.
func TestProvenPieces(t *testing.T) {
	for _, size := range []int{0, 1, leastBlock - 1, leastBlock, leastBlock + 1, 300<<10 + 7} {
		content := noise(1, size)
		l, d := plainLayout(t, content)
		p, err := openProven(t.Context(), blobPath(l.Dir, d.Digest), d, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		want := bytes.NewReader(content)
		rnd := rand.New(rand.NewPCG(1, uint64(size)))
		for i := range 500 {
			off, n := rnd.Int64N(int64(size)+2), rnd.IntN(3*leastBlock)
			if i%3 == 0 {
				off -= off % leastBlock
			}
			a, b := make([]byte, n), make([]byte, n)
			na, ea := p.ReadAt(a, off)
			nb, eb := want.ReadAt(b, off)
			if n == 0 {
				eb = nil
			}
			if na != nb || ea != eb || !bytes.Equal(a[:na], b[:nb]) {
				t.Fatalf("%d bytes at %d of %d: %d, %v, want %d, %v", n, off, size, na, ea, nb, eb)
			}
		}
		if _, err := p.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("before the beginning")
		}
	}
}

// An uncompressed layer is not copied. If its file is changed, truncated, replaced or
// missing, no byte of it is returned, and no tree.
func TestPlainLayer(t *testing.T) {
	data := noise(2, 1<<20)
	stream := ocitest.MakeTar(t, ocitest.Reg("a", string(data)), ocitest.Reg("b", "two"))
	swap := func(content []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Remove(path); err == nil {
				err = os.WriteFile(path, content, 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	link := func(to string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Symlink(to, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(good, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, path string)
		want   string
	}{
		"good":                 {func(*testing.T, string) {}, ""},
		"wrong digest":         {func(t *testing.T, f string) { ocitest.FlipByte(t, f) }, "has the digest"},
		"cut":                  {func(t *testing.T, f string) { truncate(t, f, 1000) }, "ends after"},
		"empty":                {func(t *testing.T, f string) { truncate(t, f, 0) }, "ends after"},
		"longer":               {func(t *testing.T, f string) { truncate(t, f, 4<<20) }, "more than"},
		"another one":          {swap(ocitest.MakeTar(t, ocitest.Reg("evil", ""))), "ends after"},
		"a link to it":         {link(good), ""},
		"a link to a device":   {link("/dev/zero"), "is not a regular file"},
		"a link to a listing":  {link("/"), "is not a regular file"},
		"a link that is stale": {link("none"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			l, d := plainLayout(t, stream)
			test.change(t, blobPath(l.Dir, d.Digest))
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
			if err == nil {
				defer tars.Close()
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) || test.want == "" && err != nil {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if _, err := os.Stat(cache.Dir); err == nil {
				t.Error("it was copied")
			}
			if err != nil {
				return
			}
			tree, err := merged(t, tars)
			if err != nil {
				t.Fatal(err)
			}
			e, err := tree.Lookup("a")
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, e.Size)
			if _, err := e.Content.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, data) {
				t.Errorf("the file differs (%v)", err)
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// Whatever is done to a blob in use, only its original bytes are returned, and a
// change to any byte of a block is noticed.
func TestPlainLayerChanges(t *testing.T) {
	stream := noise(3, 200<<10+512)
	for name, test := range map[string]struct {
		change  func(t *testing.T, path string)
		damaged func(off int64) bool
	}{
		"a byte": {func(t *testing.T, f string) { ocitest.FlipByte(t, f) }, func(off int64) bool { return off/leastBlock == int64(len(stream))/2/leastBlock }},
		"cut":    {func(t *testing.T, f string) { truncate(t, f, 5*leastBlock+1) }, func(off int64) bool { return off/leastBlock >= 5 }},
		"empty":  {func(t *testing.T, f string) { truncate(t, f, 0) }, func(int64) bool { return true }},
		"blocks changed places": {func(t *testing.T, f string) {
			b := bytes.Clone(stream)
			copy(b, stream[leastBlock:2*leastBlock])
			copy(b[leastBlock:], stream[:leastBlock])
			if err := os.WriteFile(f, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(off int64) bool { return off < 2*leastBlock }},
		"another file": {func(t *testing.T, f string) { // another file than the open one
			if err := errors.Join(os.Rename(f, f+".old"), os.WriteFile(f, noise(4, len(stream)), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, func(int64) bool { return false }},
		"longer": {func(t *testing.T, f string) { truncate(t, f, 1<<20) }, func(int64) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			l, d := plainLayout(t, stream)
			tars, err := openTars(t.Context(), "oci:"+l.Dir, TarCache{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer tars.Close()
			test.change(t, blobPath(l.Dir, d.Digest))
			for off := int64(0); off < int64(len(stream)); off += 512 {
				got := make([]byte, 512)
				n, err := tars.Layers[0].ReadAt(got, off)
				if test.damaged(off) != errors.Is(err, ErrDigest) || err != nil && n > 0 && err != io.EOF {
					t.Fatalf("at %d: %d bytes, %v", off, n, err)
				}
				if diff := cmp.Diff(stream[off:off+int64(n)], got[:n]); diff != "" {
					t.Fatalf("at %d: %s", off, diff)
				}
			}
			var all bytes.Buffer
			n, err := io.Copy(&all, io.NewSectionReader(tars.Layers[0], 0, tars.Layers[0].Size))
			if !bytes.Equal(all.Bytes(), stream[:n]) || (err == nil) != (n == int64(len(stream))) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// The tags of a large blob need little memory.
func TestProvenMemory(t *testing.T) {
	for _, size := range []int64{0, 1, 1 << 30, 4 << 30, 128 << 30} {
		if n := (size + blockFor(size) - 1) / blockFor(size) * tagSize; n > mostTags {
			t.Errorf("%d bytes of tags for a blob of %d", n, size)
		}
	}
}

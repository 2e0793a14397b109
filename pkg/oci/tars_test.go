// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// merged is the tree that results from the layers of an image.
func merged(t testing.TB, tars *Tars) (*tree.Tree, error) {
	t.Helper()
	var layers []tree.Layer
	for _, l := range tars.Layers {
		layers = append(layers, tree.Layer{Name: l.DiffID.String(), Tar: l, Size: l.Size})
	}
	return tree.Merge(t.Context(), layers, 0, 2)
}

// Whatever happened to a cached stream, the next run has the right bytes.
func TestTarCacheDamage(t *testing.T) {
	l, streams := ocitest.SampleLayout(t)
	h, _, err := v1.SHA256(bytes.NewReader(streams[0]))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		damage      func(tar, sum string) error
		quarantined bool
	}{
		{"none", func(string, string) error { return nil }, false},
		{"flipped byte", func(f, _ string) error { ocitest.FlipByte(t, f); return nil }, true},
		{"cut", func(f, _ string) error { return os.Truncate(f, 1000) }, true},
		{"empty", func(f, _ string) error { return os.Truncate(f, 0) }, true},
		{"longer", func(f, _ string) error { return os.Truncate(f, 1<<22) }, true},
		{"absent", func(f, _ string) error { return os.Remove(f) }, false},
		{"sum damaged", func(_, s string) error { ocitest.FlipByte(t, s); return nil }, true},
		{"sum absent", func(_, s string) error { return os.Remove(s) }, true},
		{"all absent", func(f, _ string) error { return os.RemoveAll(filepath.Dir(f)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			for i := range 3 {
				tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(io.NewSectionReader(tars.Layers[0], 0, tars.Layers[0].Size))
				if err != nil || !bytes.Equal(got, streams[0]) {
					t.Errorf("time %d: the layer differs (%v)", i, err)
				}
				if err := tars.Close(); err != nil {
					t.Error(err)
				}
				if i == 0 {
					if err := tt.damage(cache.tarFile(h), cache.sumFile(h)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := os.Stat(filepath.Join(cache.Dir, "quarantine", h.Hex)); (err == nil) != tt.quarantined {
				t.Errorf("quarantine: %v", err)
			}
		})
	}
}

func TestOpenTarsHostile(t *testing.T) {
	for _, tt := range ocitest.HostileImages(t) {
		t.Run(tt.Name, func(t *testing.T) {
			l := ocitest.NewLayout(t)
			tt.Build(l)
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
			if err == nil {
				_, err = merged(t, tars)
				if e := tars.Close(); e != nil {
					t.Error(e)
				}
			}
			if tt.Err == "" && err != nil || tt.Err != "" && (err == nil || !strings.Contains(err.Error(), tt.Err)) {
				t.Errorf("got %v, want %q", err, tt.Err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if left, _ := filepath.Glob(cache.Dir + "/.*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestOpenTarsLimits(t *testing.T) {
	bomb := ocitest.MakeTar(t, ocitest.Reg("f", string(make([]byte, 3<<20))))
	l := ocitest.NewLayout(t)
	var packed bytes.Buffer
	if err := compress(&packed, packing{Compression: Zstd}, 1, func(w io.Writer) error { _, err := w.Write(bomb); return err }); err != nil {
		t.Fatal(err)
	}
	l.Index(l.Image(bomb, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0] = l.Blob(types.OCILayerZStd, packed.Bytes()) }))
	archive := ocitest.SampleArchive(t, [][]byte{bomb}, true)
	for _, ref := range []string{"oci:" + l.Dir, "docker-archive:" + archive} {
		cache := TarCache{Dir: t.TempDir(), Limits: Limits{LayerBytes: 2 << 20}}
		if _, err := openTars(t.Context(), ref, cache); err == nil || !strings.Contains(err.Error(), "more than 2097152 bytes") {
			t.Errorf("%s: got %v", ref, err)
		}
		if files, _ := filepath.Glob(cache.Dir + "/*.tar"); len(files) > 0 {
			t.Errorf("%s: kept %v", ref, files)
		}
	}
	var r io.Reader = &bounded{r: strings.NewReader("x"), n: 2 << 30, in: &counted{n: 1 << 20}, limits: Limits{}.WithDefaults()}
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("ratio: got %v", err)
	}
	// Zeros take no space in the cache.
	cache := TarCache{Dir: t.TempDir()}
	tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	defer tars.Close()
	if used := blocks(t, cache.tarFile(tars.Layers[0].DiffID)); used > 512<<10 {
		t.Errorf("%d bytes for a stream of zeros", used)
	}
}

func packGzip(t *testing.T, stream []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := compress(&out, packing{Compression: Gzip}, 1, func(w io.Writer) error { _, err := w.Write(stream); return err }); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Several processes may use a cache at the same time, even if it is damaged or an
// image has a layer twice.
func TestOpenTarsConcurrently(t *testing.T) {
	stream := ocitest.MakeTar(t, ocitest.Reg("f", strings.Repeat("content", 1000)))
	l := ocitest.NewLayout(t)
	packed := packGzip(t, stream)
	l.Index(l.Image(stream, func(m *v1.Manifest, c *v1.ConfigFile) {
		m.Layers = []v1.Descriptor{l.Blob(types.OCILayer, packed)}
		m.Layers, c.RootFS.DiffIDs = append(m.Layers, m.Layers[0]), append(c.RootFS.DiffIDs, c.RootFS.DiffIDs[0])
	}))
	cache := TarCache{Dir: t.TempDir()}
	h, _, err := v1.SHA256(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error {
				tars, err := openTars(t.Context(), "oci:"+l.Dir, cache)
				if err != nil {
					return err
				}
				for _, tar := range tars.Layers {
					got, err := io.ReadAll(io.NewSectionReader(tar, 0, tar.Size))
					if err != nil || !bytes.Equal(got, stream) {
						t.Errorf("a layer differs (%v)", err)
					}
				}
				return tars.Close()
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		ocitest.FlipByte(t, cache.tarFile(h))
	}
}

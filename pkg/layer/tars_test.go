// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// merged is the tree that the layers of an image make.
func merged(t testing.TB, tars *Tars) (*tree.Tree, error) {
	t.Helper()
	var layers []tree.Layer
	for _, l := range tars.Layers {
		layers = append(layers, tree.Layer{Name: l.DiffID.String(), Tar: l, Size: l.Size})
	}
	return tree.Merge(t.Context(), layers, 0, 2)
}

// sampleLayout has an image of three layers, one of each compression.
func sampleLayout(t *testing.T) (*layout, [][]byte) {
	t.Helper()
	l := newLayout(t)
	streams := [][]byte{
		makeTar(t, reg("a", "one"), reg("zeros", string(make([]byte, 1<<20)))), makeTar(t, reg("b", "two")), makeTar(t, reg(".wh.a", "")),
	}
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, mt := range []types.MediaType{types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer} {
		h, _, err := v1.SHA256(bytes.NewReader(streams[i]))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, h)
		packed := bytes.NewBuffer(bytes.Clone(streams[i]))
		if i < 2 {
			packed = &bytes.Buffer{}
			err = compress(packed, []Compression{Gzip, Zstd}[i], 1, func(w io.Writer) error {
				_, err := w.Write(streams[i])
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Layers = append(m.Layers, l.blob(mt, packed.Bytes()))
	}
	m.Config = l.json(types.OCIConfigJSON, cfg)
	l.index(l.json(types.OCIManifestSchema1, m))
	return l, streams
}

// sampleArchive is the same image as docker save writes it.
func sampleArchive(t *testing.T, streams [][]byte, packed bool) string {
	t.Helper()
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	var files []member
	var names []string
	for i, s := range streams {
		h, _, err := v1.SHA256(bytes.NewReader(s))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, h)
		if packed {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			if _, err := w.Write(s); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			s = z.Bytes()
		}
		names = append(names, string(rune('0'+i))+".tar")
		files = append(files, reg(names[i], string(s)))
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{"x:1"}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, makeTar(t, append(files, reg("config.json", string(config)), reg("manifest.json", string(manifest)))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The same image gives the same streams from wherever it is, and is fetched
// once.
func TestOpenTars(t *testing.T) {
	l, streams := sampleLayout(t)
	var blobs atomic.Int64
	host := memoryRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				blobs.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	img, err := openLayout(l.dir, "", "", platformOf("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/x:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{
		"oci:" + l.dir, host + "/x:1", "docker-archive:" + sampleArchive(t, streams, false), "docker-archive:" + sampleArchive(t, streams, true) + ":x:1",
	} {
		cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
		for range 2 {
			tars, err := Registry{}.OpenTars(t.Context(), ref, "amd64", cache)
			if err != nil {
				t.Fatalf("%s: %v", ref, err)
			}
			if len(tars.Layers) != 3 || tars.Config.Architecture != "amd64" || !strings.Contains(tars.Ref, "@sha256:") {
				t.Errorf("%s: %+v", ref, tars)
			}
			for i, tar := range tars.Layers {
				got, err := io.ReadAll(io.NewSectionReader(tar, 0, tar.Size))
				if err != nil || !bytes.Equal(got, streams[i]) {
					t.Errorf("%s: layer %d differs (%v)", ref, i, err)
				}
			}
			if err := tars.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := blobs.Load(); n != 5 {
		t.Errorf("%d requests for blobs, want those of 3 layers, and of the config twice", n)
	}
	if _, err := (Registry{}).OpenTars(t.Context(), "localhost/x:1", "", TarCache{Dir: t.TempDir()}); err == nil {
		t.Error("an image of the store was opened")
	}
}

// Whatever happened to a cached stream, the next run has the right bytes.
func TestTarCacheDamage(t *testing.T) {
	l, streams := sampleLayout(t)
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
		{"flipped byte", func(f, _ string) error { flipByte(t, f); return nil }, true},
		{"cut", func(f, _ string) error { return os.Truncate(f, 1000) }, true},
		{"empty", func(f, _ string) error { return os.Truncate(f, 0) }, true},
		{"longer", func(f, _ string) error { return os.Truncate(f, 1<<22) }, true},
		{"absent", func(f, _ string) error { return os.Remove(f) }, false},
		{"sum damaged", func(_, s string) error { flipByte(t, s); return nil }, true},
		{"sum absent", func(_, s string) error { return os.Remove(s) }, true},
		{"all absent", func(f, _ string) error { return os.RemoveAll(filepath.Dir(f)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			for i := range 3 {
				tars, err := Registry{}.OpenTars(t.Context(), "oci:"+l.dir, "amd64", cache)
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
	for _, tt := range hostileImages(t) {
		t.Run(tt.name, func(t *testing.T) {
			l := newLayout(t)
			tt.build(l)
			cache := TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
			tars, err := Registry{}.OpenTars(t.Context(), "oci:"+l.dir, "amd64", cache)
			if err == nil {
				_, err = merged(t, tars)
				if e := tars.Close(); e != nil {
					t.Error(e)
				}
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
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
	bomb := makeTar(t, reg("f", string(make([]byte, 3<<20))))
	l := newLayout(t)
	var packed bytes.Buffer
	if err := compress(&packed, Zstd, 1, func(w io.Writer) error { _, err := w.Write(bomb); return err }); err != nil {
		t.Fatal(err)
	}
	l.index(l.image(bomb, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0] = l.blob(types.OCILayerZStd, packed.Bytes()) }))
	archive := sampleArchive(t, [][]byte{bomb}, true)
	for _, ref := range []string{"oci:" + l.dir, "docker-archive:" + archive} {
		cache := TarCache{Dir: t.TempDir(), Limits: Limits{LayerBytes: 2 << 20}}
		if _, err := (Registry{}).OpenTars(t.Context(), ref, "amd64", cache); err == nil || !strings.Contains(err.Error(), "more than 2097152 bytes") {
			t.Errorf("%s: got %v", ref, err)
		}
		if files, _ := filepath.Glob(cache.Dir + "/*.tar"); len(files) > 0 {
			t.Errorf("%s: kept %v", ref, files)
		}
	}
	var r io.Reader = &bounded{r: strings.NewReader("x"), n: 2 << 30, in: &counted{n: 1 << 20}, limits: Limits{}.withDefaults()}
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("ratio: got %v", err)
	}
	// Zeros take no room in the cache.
	cache := TarCache{Dir: t.TempDir()}
	tars, err := Registry{}.OpenTars(t.Context(), "oci:"+l.dir, "amd64", cache)
	if err != nil {
		t.Fatal(err)
	}
	defer tars.Close()
	if used := blocks(t, cache.tarFile(tars.Layers[0].DiffID)); used > 512<<10 {
		t.Errorf("%d bytes for a stream of zeros", used)
	}
}

// blocks is how many bytes of a file are not holes.
func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// Several processes may use a cache at a time, also when it is damaged and when
// an image has a layer twice.
func TestOpenTarsConcurrently(t *testing.T) {
	stream := makeTar(t, reg("f", strings.Repeat("content", 1000)))
	l := newLayout(t)
	l.index(l.image(stream, func(m *v1.Manifest, c *v1.ConfigFile) {
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
				tars, err := Registry{}.OpenTars(t.Context(), "oci:"+l.dir, "amd64", cache)
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
		flipByte(t, cache.tarFile(h))
	}
}

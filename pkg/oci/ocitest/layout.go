// SPDX-License-Identifier: MPL-2.0

package ocitest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// Layout is an OCI layout that is being made.
type Layout struct {
	*testing.T
	Dir string
}

// NewLayout makes an empty layout in a directory of the test.
func NewLayout(t *testing.T) *Layout {
	l := &Layout{t, t.TempDir()}
	if err := os.MkdirAll(filepath.Join(l.Dir, "blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

// file is the path of a blob.
func (l *Layout) file(h v1.Hash) string {
	return filepath.Join(l.Dir, "blobs", h.Algorithm, h.Hex)
}

// Blob stores a blob.
func (l *Layout) Blob(mt types.MediaType, content []byte) v1.Descriptor {
	l.Helper()
	h, n, err := v1.SHA256(strings.NewReader(string(content)))
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(l.file(h), content, 0o600); err != nil {
		l.Fatal(err)
	}
	return v1.Descriptor{MediaType: mt, Digest: h, Size: n}
}

// JSON stores a document.
func (l *Layout) JSON(mt types.MediaType, v any) v1.Descriptor {
	l.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		l.Fatal(err)
	}
	return l.Blob(mt, b)
}

// Index makes the layout contain these images.
func (l *Layout) Index(d ...v1.Descriptor) {
	l.Helper()
	b, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: d})
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "index.json"), b, 0o600); err != nil {
		l.Fatal(err)
	}
}

// Image makes an image with one layer; change may damage its parts.
func (l *Layout) Image(stream []byte, change func(*v1.Manifest, *v1.ConfigFile)) v1.Descriptor {
	l.Helper()
	d := l.Blob(types.OCIUncompressedLayer, stream)
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{d.Digest}}}
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{d}}
	if change != nil {
		change(m, cfg)
	}
	if m.Config.Digest.Hex == "" {
		m.Config = l.JSON(types.OCIConfigJSON, cfg)
	}
	return l.JSON(types.OCIManifestSchema1, m)
}

// HostileImage is an OCI layout that must be refused or, if err is empty, accepted.
type HostileImage struct {
	Name  string
	Build func(*Layout)
	Err   string
}

// HostileImages are images that an attacker might make.
func HostileImages(t *testing.T) []HostileImage {
	stream := MakeTar(t, Reg("f", "content"))
	other := MakeTar(t, Reg("f", "other"))
	return append(hostileImages(t, stream, other), hostileIndexes(stream, other)...)
}

// hostileImages have a mistake in a layer, a configuration or a manifest.
func hostileImages(t *testing.T, stream, other []byte) []HostileImage {
	return []HostileImage{
		{"good", func(l *Layout) { l.Index(l.Image(stream, nil)) }, ""},
		{"9e layer size", func(l *Layout) {
			l.Index(l.Image(other, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].Size-- }))
		}, "more than"},
		{"9f diffID", func(l *Layout) {
			l.Index(l.Image(other, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs[0].Hex = strings.Repeat("0", 64) }))
		}, "its digest is"},
		{"9g media type", func(l *Layout) {
			l.Index(l.Image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].MediaType = "text/plain" }))
		}, "media type"},
		{"9g foreign layer", func(l *Layout) {
			l.Index(l.Image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].MediaType = types.DockerForeignLayer }))
		}, "media type"},
		{"9h manifest with the type of an index", func(l *Layout) {
			l.Index(l.Image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.MediaType = types.OCIImageIndex }))
		}, "media type"},
		{"9i many layers", func(l *Layout) {
			l.Index(l.Image(stream, func(m *v1.Manifest, c *v1.ConfigFile) {
				for range 10000 {
					m.Layers, c.RootFS.DiffIDs = append(m.Layers, m.Layers[0]), append(c.RootFS.DiffIDs, c.RootFS.DiffIDs[0])
				}
			}))
		}, "can be mounted"},
		{"9l count of diffIDs", func(l *Layout) {
			l.Index(l.Image(stream, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs = nil }))
		}, "digests of them"},
		{"flipped byte in the manifest", func(l *Layout) {
			d := l.Image(stream, nil)
			l.Index(d)
			FlipByte(l.T, l.file(d.Digest))
		}, "damaged"},
		{"hostile member", func(l *Layout) { l.Index(l.Image(MakeTar(t, Reg("../x", "")), nil)) }, `".."`},
	}
}

// hostileIndexes have a mistake in an index.
func hostileIndexes(stream, other []byte) []HostileImage {
	return []HostileImage{
		{"9h index that is a manifest", func(l *Layout) {
			d := l.JSON(types.OCIImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{}, "layers": []any{}})
			l.Index(d)
		}, "manifest as well"},
		{"9j nested indexes", func(l *Layout) {
			d := l.Image(stream, nil)
			for range 20 {
				d = l.JSON(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}})
			}
			l.Index(d)
		}, "too deeply"},
		{"10 digest as a path", func(l *Layout) {
			d := l.Image(stream, nil)
			b := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":"sha256:../../x","size":3}]}`, d.MediaType)
			if err := os.WriteFile(filepath.Join(l.Dir, "index.json"), []byte(b), 0o600); err != nil {
				l.Fatal(err)
			}
		}, "digest"},
		{"other platform", func(l *Layout) {
			d := l.Image(stream, nil)
			d.Platform = &v1.Platform{OS: "linux", Architecture: "s390x"}
			l.Index(d)
		}, "has no image"},
		{"two images", func(l *Layout) { l.Index(l.Image(stream, nil), l.Image(other, nil)) }, "by its tag"},
	}
}

// SampleLayout has an image with three layers, one for each compression.
func SampleLayout(t *testing.T) (*Layout, [][]byte) {
	t.Helper()
	l := NewLayout(t)
	streams := [][]byte{
		MakeTar(t, Reg("a", "one"), Reg("zeros", string(make([]byte, 1<<20)))), MakeTar(t, Reg("b", "two")), MakeTar(t, Reg(".wh.a", "")),
	}
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, mt := range []types.MediaType{types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer} {
		h, _, err := v1.SHA256(bytes.NewReader(streams[i]))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, h)
		packed := &bytes.Buffer{}
		var z io.WriteCloser = gzip.NewWriter(packed)
		if mt == types.OCILayerZStd {
			z, err = zstd.NewWriter(packed)
		}
		if err == nil {
			_, err = z.Write(streams[i])
		}
		if err = errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
		if mt == types.OCIUncompressedLayer {
			packed = bytes.NewBuffer(streams[i])
		}
		m.Layers = append(m.Layers, l.Blob(mt, packed.Bytes()))
	}
	m.Config = l.JSON(types.OCIConfigJSON, cfg)
	l.Index(l.JSON(types.OCIManifestSchema1, m))
	return l, streams
}

// FlipByte damages a byte in the middle of a file.
func FlipByte(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

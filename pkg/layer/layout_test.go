// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layout is an OCI layout in the making.
type layout struct {
	*testing.T
	dir string
}

func newLayout(t *testing.T) *layout {
	l := &layout{t, t.TempDir()}
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *layout) blob(mt types.MediaType, content []byte) v1.Descriptor {
	l.Helper()
	h, n, err := v1.SHA256(strings.NewReader(string(content)))
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(blobPath(l.dir, h), content, 0o600); err != nil {
		l.Fatal(err)
	}
	return v1.Descriptor{MediaType: mt, Digest: h, Size: n}
}

func (l *layout) json(mt types.MediaType, v any) v1.Descriptor {
	l.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		l.Fatal(err)
	}
	return l.blob(mt, b)
}

func (l *layout) index(d ...v1.Descriptor) {
	l.Helper()
	b, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: d})
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "index.json"), b, 0o600); err != nil {
		l.Fatal(err)
	}
}

// image makes an image of one layer; change may spoil its parts.
func (l *layout) image(stream []byte, change func(*v1.Manifest, *v1.ConfigFile)) v1.Descriptor {
	l.Helper()
	d := l.blob(types.OCIUncompressedLayer, stream)
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{d.Digest}}}
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{d}}
	if change != nil {
		change(m, cfg)
	}
	if m.Config.Digest.Hex == "" {
		m.Config = l.json(types.OCIConfigJSON, cfg)
	}
	return l.json(types.OCIManifestSchema1, m)
}

// hostileImage is an OCI layout that must be refused, or with no err taken.
type hostileImage struct {
	name  string
	build func(*layout)
	err   string
}

func hostileImages(t *testing.T) []hostileImage {
	stream := makeTar(t, reg("f", "content"))
	other := makeTar(t, reg("f", "other"))
	return []hostileImage{
		{"good", func(l *layout) { l.index(l.image(stream, nil)) }, ""},
		{"9e layer size", func(l *layout) {
			l.index(l.image(other, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].Size-- }))
		}, "more than"},
		{"9f diffID", func(l *layout) {
			l.index(l.image(other, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs[0].Hex = strings.Repeat("0", 64) }))
		}, "its digest is"},
		{"9g media type", func(l *layout) {
			l.index(l.image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].MediaType = "text/plain" }))
		}, "media type"},
		{"9g foreign layer", func(l *layout) {
			l.index(l.image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.Layers[0].MediaType = types.DockerForeignLayer }))
		}, "media type"},
		{"9h index that is a manifest", func(l *layout) {
			d := l.json(types.OCIImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{}, "layers": []any{}})
			l.index(d)
		}, "manifest as well"},
		{"9h manifest with the type of an index", func(l *layout) {
			l.index(l.image(stream, func(m *v1.Manifest, _ *v1.ConfigFile) { m.MediaType = types.OCIImageIndex }))
		}, "media type"},
		{"9i many layers", func(l *layout) {
			l.index(l.image(stream, func(m *v1.Manifest, c *v1.ConfigFile) {
				for range 10000 {
					m.Layers, c.RootFS.DiffIDs = append(m.Layers, m.Layers[0]), append(c.RootFS.DiffIDs, c.RootFS.DiffIDs[0])
				}
			}))
		}, "can be mounted"},
		{"9j nested indexes", func(l *layout) {
			d := l.image(stream, nil)
			for range 20 {
				d = l.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}})
			}
			l.index(d)
		}, "too deeply"},
		{"9l count of diffIDs", func(l *layout) {
			l.index(l.image(stream, func(_ *v1.Manifest, c *v1.ConfigFile) { c.RootFS.DiffIDs = nil }))
		}, "digests of them"},
		{"10 digest as a path", func(l *layout) {
			d := l.image(stream, nil)
			b := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":"sha256:../../x","size":3}]}`, d.MediaType)
			if err := os.WriteFile(filepath.Join(l.dir, "index.json"), []byte(b), 0o600); err != nil {
				l.Fatal(err)
			}
		}, "digest"},
		{"flipped byte in the manifest", func(l *layout) {
			d := l.image(stream, nil)
			l.index(d)
			flipByte(l.T, blobPath(l.dir, d.Digest))
		}, "damaged"},
		{"hostile member", func(l *layout) { l.index(l.image(makeTar(t, reg("../x", "")), nil)) }, `".."`},
		{"other platform", func(l *layout) {
			d := l.image(stream, nil)
			d.Platform = &v1.Platform{OS: "linux", Architecture: "s390x"}
			l.index(d)
		}, "has no image"},
		{"two images", func(l *layout) { l.index(l.image(stream, nil), l.image(other, nil)) }, "by its tag"},
	}
}

func TestPullHostile(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for _, tt := range hostileImages(t) {
		t.Run(tt.name, func(t *testing.T) {
			l := newLayout(t)
			tt.build(l)
			_, err := s.Pull(t.Context(), Registry{}, "oci:"+l.dir, "amd64")
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) != 1 {
		t.Errorf("%d layers in the store, want the good one: %v", len(layers), err)
	}
}

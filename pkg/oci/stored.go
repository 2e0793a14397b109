// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ErrDamaged says that stored bytes have changed.
var ErrDamaged = errors.New("damaged in the store")

// Images is a store whose images can be pushed and exported.
type Images interface {
	// Stored is an image by one of its names or by its id.
	Stored(image string) (Stored, error)
}

// Stored is an image of a store, which keeps its layers uncompressed.
type Stored struct {
	ID     string   // hexadecimal digits of the config's SHA-256
	Names  []string // full names with tags, such as localhost/carosbuild/x:base
	Config []byte
	Layers []StoredLayer // the lowest first

	Annotations map[string]string // of the manifest that is made from it

	// Explain may add other problems of the layers to an error of Write; nil adds
	// nothing.
	Explain func(ctx context.Context, err error) error
}

// StoredLayer is a layer of a store.
type StoredLayer struct {
	DiffID v1.Hash
	Size   int64                   // bytes of its uncompressed tar stream, negative if not known
	Write  func(w io.Writer) error // writes that stream, with the same bytes each time
}

func (i Stored) explain(ctx context.Context, err error) error {
	if i.Explain == nil {
		return err
	}
	return i.Explain(ctx, err)
}

// label is the name of the image in progress events.
func (i Stored) label() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	return i.ID
}

// NewManifest makes the manifest of an image (image-spec manifest.md).
func NewManifest(config []byte, layers []v1.Descriptor) ([]byte, error) {
	return annotatedManifest(config, layers, nil)
}

func annotatedManifest(config []byte, layers []v1.Descriptor, annotations map[string]string) ([]byte, error) {
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{}, Annotations: annotations}
	h, n, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	m.Config = v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: h, Size: n}
	m.Layers = append(m.Layers, layers...)
	return json.Marshal(m)
}

// PlainLayer describes an uncompressed layer.
func PlainLayer(diffID v1.Hash, size int64) v1.Descriptor {
	return v1.Descriptor{MediaType: types.OCIUncompressedLayer, Digest: diffID, Size: size}
}

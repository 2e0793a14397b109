// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrNoImage says that there is no image of that tag.
var ErrNoImage = errors.New("no image of that tag")

// SharedLayout is an OCI layout of many images, each with a tag of its own, which
// several processes read and write at once.
type SharedLayout struct {
	Dir string

	mu    sync.Mutex
	whole map[v1.Hash]bool // blobs that this process has written or checked
}

// Image is the image of a tag, ErrNoImage where there is none. It is that one for every
// platform.
func (l *SharedLayout) Image(_ context.Context, tag string) (Source, error) {
	raw, err := readLimited(filepath.Join(l.Dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Source{}, ErrNoImage
	}
	if err != nil {
		return Source{}, fmt.Errorf("read OCI layout: %w", err)
	}
	index, err := ParseIndex(raw)
	if err != nil {
		return Source{}, fmt.Errorf("OCI layout %s: %w", l.Dir, err)
	}
	for _, d := range index.Manifests {
		if d.Annotations[refName] != tag || !d.MediaType.IsImage() {
			continue
		}
		img, err := openLayoutImage(l.Dir, d)
		return Source{Ref: "oci:" + l.Dir + "@" + d.Digest.String(), Image: img}, err
	}
	return Source{}, ErrNoImage
}

// Write writes an image, which gets the tag in place of another one.
func (l *SharedLayout) Write(ctx context.Context, tag string, image Stored, t Transfer, o PushOptions) error {
	img, err := image.Compress(ctx, t, o)
	if err != nil {
		return err
	}
	if err := writeLayout(ctx, img, l.Dir, tag, l.isWhole); err != nil {
		return err
	}
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole == nil {
		l.whole = map[v1.Hash]bool{}
	}
	for _, d := range m.Layers {
		l.whole[d.Digest] = true
	}
	return nil
}

func (l *SharedLayout) isWhole(h v1.Hash) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whole[h]
}

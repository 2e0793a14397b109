// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// ErrNoImage says that no image has that tag.
var ErrNoImage = errors.New("no image of that tag")

// SharedLayout is an OCI layout of many images, each with a tag of its own, which
// several processes may read and write at once.
type SharedLayout struct {
	Dir string

	mu    sync.Mutex
	whole map[v1.Hash]bool // blobs that this process has written or checked
}

// Image is the image of a tag, or ErrNoImage. It is the same for every platform.
func (l *SharedLayout) Image(_ context.Context, tag string) (Source, error) {
	index, err := l.index()
	if err != nil {
		return Source{}, err
	}
	for _, d := range index.Manifests {
		if d.Annotations[refName] != tag || !d.MediaType.IsImage() {
			continue
		}
		img, err := openLayoutImage(l.Dir, d)
		return Source{Ref: "oci:" + l.Dir + "@" + d.Digest.String(), Image: img, Layout: l.Dir}, err
	}
	return Source{}, ErrNoImage
}

// Write writes an image and gives it the tag, which may have named another image
// before.
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

// Tags are the tags of all images.
func (l *SharedLayout) Tags(context.Context) (tags []string, err error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	for _, d := range index.Manifests {
		if tag := d.Annotations[refName]; tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// index is the list of images, empty if there is no layout.
func (l *SharedLayout) index() (*v1.IndexManifest, error) {
	raw, err := readLimited(filepath.Join(l.Dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return &v1.IndexManifest{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read OCI layout: %w", err)
	}
	index, err := ParseIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.Dir, err)
	}
	return index, nil
}

// unusedFor is how long an unreferenced blob is kept: its image may still be being
// written.
const unusedFor = 24 * time.Hour

// Remove removes images by their tags, unless a tag names another image meanwhile, and the
// blobs that no image refers to and that have not been written or used for a day.
func (l *SharedLayout) Remove(_ context.Context, images map[string]Digest) error {
	if len(images) == 0 {
		return nil
	}
	unlock, err := freshfile.Lock(filepath.Join(l.Dir, ".lock"))
	if err != nil {
		return err
	}
	return errors.Join(l.remove(images), unlock())
}

func (l *SharedLayout) remove(images map[string]Digest) error {
	index, err := l.index()
	if err != nil {
		return err
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		h, ok := images[d.Annotations[refName]]
		return ok && h == d.Digest
	})
	used := map[string]bool{}
	for _, d := range index.Manifests {
		if err := l.use(used, d, 0); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(index)
	if err == nil {
		err = exportFile(filepath.Join(l.Dir, "index.json"), raw)
	}
	if err != nil {
		return err
	}
	return l.removeBlobs(used)
}

// removeBlobs removes unused blobs. It stays in the layout, wherever links lead.
func (l *SharedLayout) removeBlobs(used map[string]bool) error {
	root, err := os.OpenRoot(l.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	const blobs = "blobs/sha256"
	names, err := fs.ReadDir(root.FS(), blobs)
	if err != nil {
		return err
	}
	for _, n := range names {
		st, err := n.Info()
		if err != nil || used[n.Name()] || len(n.Name()) != 64 || time.Since(st.ModTime()) < unusedFor {
			continue
		}
		if err := root.Remove(path.Join(blobs, n.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// use marks the blobs of an image, or of the images of an index, as used.
func (l *SharedLayout) use(used map[string]bool, d v1.Descriptor, depth int) error {
	used[d.Digest.Hex] = true
	if depth > MaxIndexDepth {
		return errors.New("indexes are nested too deeply")
	}
	if !d.MediaType.IsIndex() && !d.MediaType.IsImage() {
		return nil
	}
	raw, err := readBlob(l.Dir, d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is damaged, and refers to nothing worth keeping
	}
	if err != nil {
		return err
	}
	var m struct {
		Config    v1.Descriptor   `json:"config"`
		Layers    []v1.Descriptor `json:"layers"`
		Manifests []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	used[m.Config.Digest.Hex] = true
	for _, d := range m.Layers {
		used[d.Digest.Hex] = true
	}
	for _, d := range m.Manifests {
		if err := l.use(used, d, depth+1); err != nil {
			return err
		}
	}
	return nil
}

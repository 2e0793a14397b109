// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// Export writes an image of a store to oci:DIR[:TAG], an OCI image layout that may
// already contain others, or to docker-archive:FILE[:NAME], which "docker load" and
// "podman load" read. Layers are compressed in a layout, and uncompressed in an
// archive.
func Export(ctx context.Context, from Images, image, dst string, t Transfer, o PushOptions) error {
	err := export(ctx, from, image, dst, t, o)
	if err != nil {
		return fmt.Errorf("export %s to %s: %w", image, dst, err)
	}
	return nil
}

func export(ctx context.Context, from Images, image, dst string, t Transfer, o PushOptions) error {
	p, err := ParseReference(dst)
	if err != nil {
		return err
	}
	i, err := from.Stored(image)
	if err != nil {
		return err
	}
	switch p.Kind {
	case KindLayout:
		img, err := i.Compress(ctx, t, o)
		if err != nil {
			return err
		}
		return WriteLayout(ctx, img, p.Path, p.Name)
	case KindArchive:
		return i.writeArchive(ctx, p.Path, p.Name)
	}
	return errors.New("the target is neither oci:DIR nor docker-archive:FILE")
}

// WriteLayout adds an image to a layout: first blobs, then the manifest, then the
// index.
func WriteLayout(ctx context.Context, img v1.Image, dir, tag string) error {
	return writeLayout(ctx, img, dir, tag, func(v1.Hash) bool { return false })
}

// writeLayout does not check blobs whose size is right.
func writeLayout(ctx context.Context, img v1.Image, dir, tag string, whole func(v1.Hash) bool) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	freshfile.Sweep(dir, ".new-")
	freshfile.Sweep(filepath.Join(dir, "blobs", "sha256"), ".new-")
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			return err
		}
		if whole(h) {
			continue
		}
		if err := exportBlob(ctx, dir, h, l.Compressed); err != nil {
			return fmt.Errorf("layer %s: %w", h, err)
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	kind, err := img.MediaType()
	if err != nil {
		return err
	}
	var last v1.Descriptor
	for _, doc := range [][]byte{config, manifest} {
		h, n, err := v1.SHA256(bytes.NewReader(doc))
		if err != nil {
			return err
		}
		last = v1.Descriptor{MediaType: kind, Digest: h, Size: n}
		if err := exportBlob(ctx, dir, h, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(doc)), nil }); err != nil {
			return err
		}
	}
	if err := exportFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return addToIndex(dir, last, tag, img)
}

// exportBlob writes a blob unless it exists already.
func exportBlob(ctx context.Context, dir string, h v1.Hash, open func() (io.ReadCloser, error)) error {
	path := blobPath(dir, h)
	if f, err := openFile(path); err == nil {
		got, _, err := v1.SHA256(f)
		f.Close()
		if err == nil && got == h {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // its time counts for SharedLayout.Remove; another user's file keeps its time
			return nil
		}
	}
	rc, err := open()
	if err != nil {
		return err
	}
	defer rc.Close()
	f, err := freshfile.Create(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, ProgressReader(ctx, rc, 0, func(int64) {}))
	return freshfile.Finish(f, path, 0o644, err)
}

// addToIndex adds an image to index.json, in place of one with the same tag.
func addToIndex(dir string, d v1.Descriptor, tag string, img v1.Image) error {
	unlock, err := freshfile.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	return errors.Join(changeIndex(dir, d, tag, img), unlock())
}

func changeIndex(dir string, d v1.Descriptor, tag string, img v1.Image) error {
	cfg, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if cfg.Architecture != "" {
		d.Platform = &v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	}
	if tag != "" {
		d.Annotations = map[string]string{refName: tag}
	}
	index := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	path := filepath.Join(dir, "index.json")
	raw, err := readLimited(path)
	if err == nil {
		index, err = ParseIndex(raw)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	kept := []v1.Descriptor{}
	for _, old := range index.Manifests {
		if old.Annotations[refName] != tag || tag == "" && old.Digest != d.Digest {
			kept = append(kept, old)
		}
	}
	index.Manifests = append(kept, d)
	if raw, err = json.Marshal(index); err != nil {
		return err
	}
	return exportFile(path, raw)
}

// exportFile writes a small file that every user may read, like the blobs.
func exportFile(path string, data []byte) error {
	f, err := freshfile.Create(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return freshfile.Finish(f, path, 0o644, err)
}

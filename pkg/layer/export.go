// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"archive/tar"
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
)

// Export writes an image to oci:DIR[:TAG], an OCI image layout that may hold
// others already, or to docker-archive:FILE[:NAME], which "docker load" and
// "podman load" read. In a layout layers are compressed, in an archive not.
func (s *Store) Export(ctx context.Context, r Registry, image, dst string, o PushOptions) error {
	err := s.export(ctx, r, image, dst, o)
	if err != nil {
		return fmt.Errorf("export %s to %s: %w", image, dst, err)
	}
	return nil
}

func (s *Store) export(ctx context.Context, r Registry, image, dst string, o PushOptions) error {
	p, err := parseReference(dst)
	if err != nil {
		return err
	}
	i, err := s.mustImage(image)
	if err != nil {
		return err
	}
	switch p.kind {
	case kindLayout:
		img, err := s.image(ctx, i, o.Cache, o.compression(), r)
		if err != nil {
			return err
		}
		return exportLayout(ctx, img, p.path, p.name)
	case kindArchive:
		return s.exportArchive(ctx, i, p.path, p.name)
	}
	return errors.New("the target is neither oci:DIR nor docker-archive:FILE")
}

// exportLayout adds an image to a layout: blobs, then manifest, then index.
func exportLayout(ctx context.Context, img v1.Image, dir, tag string) error {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	sweepFresh(dir, ".new-")
	sweepFresh(filepath.Join(dir, "blobs", "sha256"), ".new-")
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			return err
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
	var last v1.Descriptor
	for _, doc := range [][]byte{config, manifest} {
		h, n, err := v1.SHA256(bytes.NewReader(doc))
		if err != nil {
			return err
		}
		last = v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: h, Size: n}
		if err := exportBlob(ctx, dir, h, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(doc)), nil }); err != nil {
			return err
		}
	}
	if err := exportFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return addToIndex(dir, last, tag, img)
}

// exportBlob writes a blob unless the right one is there.
func exportBlob(ctx context.Context, dir string, h v1.Hash, open func() (io.ReadCloser, error)) error {
	path := blobPath(dir, h)
	if f, err := os.Open(path); err == nil {
		got, _, err := v1.SHA256(f)
		f.Close()
		if err == nil && got == h {
			return nil
		}
	}
	rc, err := open()
	if err != nil {
		return err
	}
	defer rc.Close()
	f, err := freshFile(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, &progressReader{ctx: ctx, r: rc, report: func(int64) {}})
	return finishFresh(f, path, 0o644, err)
}

// addToIndex puts an image into index.json in place of one of the same tag.
func addToIndex(dir string, d v1.Descriptor, tag string, img v1.Image) error {
	unlock, err := lockUntil(filepath.Join(dir, ".lock"))
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
		index, err = parseIndex(raw)
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

// exportFile writes a small file that, like the blobs, everybody may read.
func exportFile(path string, data []byte) error {
	f, err := freshFile(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return finishFresh(f, path, 0o644, err)
}

// exportArchive writes the format of docker save, with names and times that
// depend on the image only.
func (s *Store) exportArchive(ctx context.Context, i Image, path, n string) error {
	_, config, err := s.Config(i)
	if err != nil {
		return err
	}
	chain, err := s.Chain(i.Top)
	if err != nil {
		return err
	}
	entry := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{Config: i.ID + ".json", RepoTags: i.Names, Layers: []string{}}
	if n != "" {
		if entry.RepoTags, err = fullNames([]string{n}); err != nil {
			return err
		}
	}
	prefix := "." + filepath.Base(path) + ".new-"
	sweepFresh(filepath.Dir(path), prefix)
	f, err := freshFile(filepath.Dir(path), prefix)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	write := func(name string, data []byte) error {
		err := w.WriteHeader(archiveHeader(name, int64(len(data))))
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err = write(entry.Config, config)
	written := map[string]bool{}
	for _, l := range chain {
		name := l.DiffID.Hex + ".tar"
		entry.Layers = append(entry.Layers, name)
		if err != nil || written[name] {
			continue
		}
		written[name] = true
		err = s.archiveLayer(ctx, w, name, l)
	}
	err = s.alsoDamaged(ctx, chain, err)
	if err == nil {
		var doc []byte
		if doc, err = json.Marshal([]any{entry}); err == nil {
			err = write("manifest.json", doc)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return finishFresh(f, path, 0o644, err)
}

func (s *Store) archiveLayer(ctx context.Context, w *tar.Writer, name string, l Layer) error {
	if l.Size < 0 {
		var err error
		if l.Size, err = s.measure(l); err != nil {
			return err
		}
	}
	if err := w.WriteHeader(archiveHeader(name, l.Size)); err != nil {
		return err
	}
	return s.WriteTar(l, &contextWriter{ctx, w})
}

func archiveHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
}

// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	refName       = "org.opencontainers.image.ref.name" // image-spec annotations.md
	maxDocument   = 8 << 20                             // bytes of a manifest, an index or a config
	maxIndexDepth = 4
)

// layoutImage is an image of an OCI image layout, whose bytes are checked as
// they are read.
type layoutImage struct {
	dir      string
	desc     v1.Descriptor
	manifest []byte
}

// openLayout finds an image by tag or by digest. Without both there must be
// just one for the platform.
func openLayout(dir, tag, digest string, p v1.Platform) (v1.Image, error) {
	raw, err := readLimited(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("read OCI layout: %w", err)
	}
	index, err := parseIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	var matches []v1.Descriptor
	for _, d := range index.Manifests {
		if tag != "" && d.Annotations[refName] != tag || digest != "" && d.Digest.String() != digest && !d.MediaType.IsIndex() {
			continue
		}
		found, err := descend(dir, d, digest, p, 0)
		if err != nil {
			return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
		}
		matches = append(matches, found...)
	}
	switch {
	case len(matches) == 0:
		return nil, fmt.Errorf("OCI layout %s has no image %s%s for %s", dir, tag, digest, p)
	case len(matches) > 1 && matches[0].Digest != matches[1].Digest:
		return nil, fmt.Errorf("OCI layout %s has %d images; name one by its tag", dir, len(matches))
	}
	img := &layoutImage{dir: dir, desc: matches[0]}
	if img.manifest, err = readBlob(dir, matches[0]); err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	return partial.CompressedToImage(img)
}

// descend lists the images for a platform below a descriptor.
func descend(dir string, d v1.Descriptor, digest string, p v1.Platform, depth int) ([]v1.Descriptor, error) {
	if depth > maxIndexDepth {
		return nil, errors.New("indexes are nested too deeply")
	}
	if d.MediaType.IsImage() {
		if d.Platform != nil && !d.Platform.Satisfies(p) && !d.Platform.Satisfies(v1.Platform{OS: p.OS, Architecture: p.Architecture}) {
			return nil, nil
		}
		if digest != "" && d.Digest.String() != digest {
			return nil, nil
		}
		return []v1.Descriptor{d}, nil
	}
	if !d.MediaType.IsIndex() {
		return nil, nil
	}
	raw, err := readBlob(dir, d)
	if err != nil {
		return nil, err
	}
	index, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	var out []v1.Descriptor
	for _, c := range index.Manifests {
		found, err := descend(dir, c, digest, p, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// parseIndex refuses what is a manifest at the same time (CVE-2021-41190).
func parseIndex(raw []byte) (*v1.IndexManifest, error) {
	var both struct {
		MediaType types.MediaType `json:"mediaType"`
		Config    json.RawMessage `json:"config"`
		Layers    json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(raw, &both); err != nil {
		return nil, fmt.Errorf("parse index: %w", err)
	}
	if both.Config != nil || both.Layers != nil || both.MediaType != "" && !both.MediaType.IsIndex() {
		return nil, errors.New("an index that is a manifest as well")
	}
	return v1.ParseIndexManifest(bytes.NewReader(raw))
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes", file, maxDocument)
	}
	return b, err
}

func blobPath(dir string, h v1.Hash) string { return filepath.Join(dir, "blobs", h.Algorithm, h.Hex) }

func readBlob(dir string, d v1.Descriptor) ([]byte, error) {
	if err := checkHash(d.Digest); err != nil {
		return nil, err
	}
	b, err := readLimited(blobPath(dir, d.Digest))
	if err != nil {
		return nil, err
	}
	got, n, err := v1.SHA256(bytes.NewReader(b))
	if err == nil && (got != d.Digest || n != d.Size) {
		err = fmt.Errorf("blob %s is damaged", d.Digest)
	}
	return b, err
}

// checkHash refuses digests whose grammar would matter in a path.
func checkHash(h v1.Hash) error {
	if h.Algorithm != "sha256" || len(h.Hex) != 64 || strings.Trim(h.Hex, "0123456789abcdef") != "" {
		return fmt.Errorf("digest %q is not of the form sha256:64 hexadecimal digits", h.String())
	}
	return nil
}

func (l *layoutImage) RawManifest() ([]byte, error) { return l.manifest, nil }

func (l *layoutImage) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

func (l *layoutImage) RawConfigFile() ([]byte, error) {
	m, err := v1.ParseManifest(bytes.NewReader(l.manifest))
	if err != nil {
		return nil, err
	}
	return readBlob(l.dir, m.Config)
}

func (l *layoutImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, err := v1.ParseManifest(bytes.NewReader(l.manifest))
	if err != nil {
		return nil, err
	}
	for _, d := range m.Layers {
		if d.Digest == h {
			return &fileLayer{path: blobPath(l.dir, h), desc: d}, checkHash(h)
		}
	}
	return nil, fmt.Errorf("no layer %s", h)
}

// fileLayer is a compressed layer in a file, checked as it is read.
type fileLayer struct {
	path string
	desc v1.Descriptor
}

func (f *fileLayer) Digest() (v1.Hash, error)            { return f.desc.Digest, nil }
func (f *fileLayer) Size() (int64, error)                { return f.desc.Size, nil }
func (f *fileLayer) MediaType() (types.MediaType, error) { return f.desc.MediaType, nil }
func (f *fileLayer) Descriptor() (*v1.Descriptor, error) { return &f.desc, nil }
func (f *fileLayer) Compressed() (io.ReadCloser, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	return newVerifier(file, f.desc.Digest, f.desc.Size), nil
}

// openArchive opens an archive of docker save: by name, by the digest of the
// image's config, or the only image in it.
func openArchive(file, n, config string) (v1.Image, error) {
	open := func() (io.ReadCloser, error) { return os.Open(file) }
	if n == "" && config == "" {
		img, err := tarball.Image(open, nil)
		if err != nil {
			return nil, fmt.Errorf("read docker archive %s: %w", file, err)
		}
		return img, nil
	}
	m, err := tarball.LoadManifest(open)
	if err != nil {
		return nil, fmt.Errorf("read docker archive %s: %w", file, err)
	}
	for _, d := range m {
		for _, t := range d.RepoTags {
			tag, err := parseTag(t)
			if err != nil {
				continue
			}
			if n != "" && (t == n || storedName(tag) == n || strings.TrimPrefix(storedName(tag), "localhost/") == n) {
				return tarball.Image(open, &tag)
			}
			if config != "" {
				if img, err := tarball.Image(open, &tag); err == nil {
					if h, err := img.ConfigName(); err == nil && h.String() == config {
						return img, nil
					}
				}
			}
		}
	}
	if n == "" && len(m) == 1 {
		img, err := tarball.Image(open, nil)
		if err != nil {
			return nil, err
		}
		if h, err := img.ConfigName(); err == nil && h.String() == config {
			return img, nil
		}
	}
	return nil, fmt.Errorf("docker archive %s has no image %s%s", file, n, config)
}

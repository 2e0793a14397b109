// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/terminal"
)

const (
	refName     = "org.opencontainers.image.ref.name" // image-spec annotations.md
	maxDocument = 8 << 20                             // bytes of a manifest, an index or a config
)

// MaxIndexDepth is the maximum nesting depth of image indexes.
const MaxIndexDepth = 4

// layoutImage is an image of an OCI image layout. Its bytes are checked as they are
// read.
type layoutImage struct {
	dir      string
	desc     v1.Descriptor
	manifest []byte
}

// OpenLayout finds an image by tag or digest, or the one for the platform.
func OpenLayout(dir, tag, digest string, p v1.Platform) (v1.Image, error) {
	raw, err := readLimited(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("read OCI layout: %w", err)
	}
	index, err := ParseIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	var all []Candidate
	var tags []string
	for i, d := range index.Manifests {
		label := d.Annotations[refName]
		if label == "" {
			label = d.Digest.String()
		}
		tags = append(tags, terminal.Excerpt(label))
		if tag != "" && d.Annotations[refName] != tag || digest != "" && d.Digest.String() != digest && !d.MediaType.IsIndex() {
			continue
		}
		found, err := descend(dir, d, digest, 0)
		if err != nil {
			return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
		}
		for _, c := range found {
			c.of, c.label = i, tags[i]
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("OCI layout %s has %s%s", dir, strings.TrimSpace("no image "+tag+digest), listed("; it has ", tags))
	}
	c, err := Choose(all, p)
	var many *ambiguousError
	if errors.As(err, &many) {
		return nil, fmt.Errorf("OCI layout %s has %w; name one by its tag: oci:%s:TAG, or by its digest: oci:%s@DIGEST", dir, err, dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s has %w", dir, err)
	}
	return c.Open()
}

func listed(before string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return before + strings.Join(names, ", ")
}

// descend lists the images below a descriptor, or the one with a digest.
func descend(dir string, d v1.Descriptor, digest string, depth int) ([]Candidate, error) {
	if depth > MaxIndexDepth {
		return nil, errors.New("indexes are nested too deeply")
	}
	if d.MediaType.IsImage() {
		if digest != "" && d.Digest.String() != digest {
			return nil, nil
		}
		open := func() (v1.Image, error) { return openLayoutImage(dir, d) }
		return []Candidate{{Digest: d.Digest, Platform: d.Platform, Open: open, Config: func() (*v1.ConfigFile, error) {
			img, err := open()
			if err != nil {
				return nil, err
			}
			return img.ConfigFile()
		}}}, nil
	}
	if !d.MediaType.IsIndex() {
		return nil, nil
	}
	if d.Digest.String() == digest {
		digest = "" // any image below it
	}
	raw, err := readBlob(dir, d)
	if err != nil {
		return nil, err
	}
	index, err := ParseIndex(raw)
	if err != nil {
		return nil, err
	}
	var out []Candidate
	for _, c := range index.Manifests {
		found, err := descend(dir, c, digest, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func openLayoutImage(dir string, d v1.Descriptor) (v1.Image, error) {
	img := &layoutImage{dir: dir, desc: d}
	var err error
	if img.manifest, err = readBlob(dir, d); err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	return partial.CompressedToImage(img)
}

// ParseIndex refuses a document that is a manifest at the same time
// (CVE-2021-41190).
func ParseIndex(raw []byte) (*v1.IndexManifest, error) {
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

// openFile opens a regular file for reading: a FIFO would block, and a device may have no
// end.
func openFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("it is not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readLimited(file string) ([]byte, error) {
	f, err := openFile(file)
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
	if err := CheckDigest(d.Digest); err != nil {
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

// CheckDigest refuses digests that would have a meaning in a path.
func CheckDigest(h v1.Hash) error {
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
			return &fileLayer{path: blobPath(l.dir, h), desc: d}, CheckDigest(h)
		}
	}
	return nil, fmt.Errorf("no layer %s", h)
}

// fileLayer is a compressed layer in a file. It is checked as it is read.
type fileLayer struct {
	path string
	desc v1.Descriptor
}

func (f *fileLayer) Digest() (v1.Hash, error)            { return f.desc.Digest, nil }
func (f *fileLayer) Size() (int64, error)                { return f.desc.Size, nil }
func (f *fileLayer) MediaType() (types.MediaType, error) { return f.desc.MediaType, nil }
func (f *fileLayer) Descriptor() (*v1.Descriptor, error) { return &f.desc, nil }
func (f *fileLayer) Compressed() (io.ReadCloser, error) {
	file, err := openFile(f.path)
	if err != nil {
		return nil, err
	}
	return newVerifier(file, f.desc.Digest, f.desc.Size), nil
}

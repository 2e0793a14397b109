// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// Source is an image that has been found. Its layers have not been fetched.
type Source struct {
	Ref      string   // always names the same image
	Image    v1.Image // nil for scratch and for an image of the local store
	Archive  string   // the file of a docker archive, "" for another source
	Layout   string   // the directory of an OCI layout, "" for another source
	StoredID string   // id of an image in the local store, "" for another source
	Remote   Remote   // the registry that the image is in, or nil
	Transfer
}

// Remote is the registry of a Source.
type Remote interface {
	// Download copies a compressed layer into an empty file, checks it against its
	// digest, and reports the number of bytes so far.
	Download(ctx context.Context, file *os.File, d v1.Descriptor, report func(int64)) error
	// Explain explains an error of the registry, or of the connection to it.
	Explain(ctx context.Context, err error) error
}

// Contents are the parts of an image.
type Contents struct {
	Config Config
	Raw    []byte  // from which Config was parsed
	Layers []Layer // the lowest first
}

// Layer is a layer as the manifest and config of its image describe it.
type Layer struct {
	v1.Descriptor // of the compressed layer
	DiffID        v1.Hash
}

// FindFile finds an image in an OCI layout or a docker archive. Scratch is the
// directory in which a compressed archive is unpacked; "" means the system's.
func FindFile(p Reference, platform v1.Platform, scratch string) (Source, error) {
	if p.Kind == KindLayout {
		img, err := OpenLayout(p.Path, p.Name, p.Digest, platform)
		if err != nil {
			return Source{}, err
		}
		h, err := img.Digest()
		return Source{Ref: "oci:" + p.Path + "@" + h.String(), Image: img, Layout: p.Path}, err
	}
	img, err := openArchive(p.Path, p.Name, p.Digest, platform, scratch)
	if err != nil {
		return Source{}, err
	}
	h, err := img.ConfigName()
	return Source{Ref: "docker-archive:" + p.Path + "@" + h.String(), Image: img, Archive: p.Path}, err
}

// explain is Remote.Explain, if the image is in a registry.
func (s Source) explain(ctx context.Context, err error) error {
	if s.Remote == nil {
		return err
	}
	return s.Remote.Explain(ctx, err)
}

// Check reads the parts of an image, and refuses an image whose parts contradict
// each other or exceed limits.
func (s Source) Check(ctx context.Context, limits Limits) (Contents, error) {
	c, err := checkImage(s.Image, limits)
	if err != nil {
		return Contents{}, s.explain(ctx, err)
	}
	return c, nil
}

// checkImage refuses images whose parts contradict each other.
func checkImage(img v1.Image, limits Limits) (Contents, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return Contents{}, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return Contents{}, fmt.Errorf("parse manifest: %w", err)
	}
	if m.MediaType != "" && !m.MediaType.IsImage() {
		return Contents{}, fmt.Errorf("a manifest of media type %q", m.MediaType)
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		return Contents{}, err
	}
	if got, _, err := v1.SHA256(bytes.NewReader(rawConfig)); err != nil || got != m.Config.Digest {
		return Contents{}, fmt.Errorf("the config's digest is %s, not %s", got, m.Config.Digest)
	}
	cfg, err := v1.ParseConfigFile(bytes.NewReader(rawConfig))
	if err != nil {
		return Contents{}, fmt.Errorf("parse config: %w", err)
	}
	if n := len(m.Layers); n != len(cfg.RootFS.DiffIDs) {
		return Contents{}, fmt.Errorf("%d layers, but %d digests of them in the config", n, len(cfg.RootFS.DiffIDs))
	} else if n > limits.Layers {
		return Contents{}, fmt.Errorf("%d layers are more than the %d that can be mounted", n, limits.Layers)
	}
	c := Contents{Config: Config{*cfg}, Raw: rawConfig}
	for i, l := range m.Layers {
		diffID := cfg.RootFS.DiffIDs[i]
		if err := errors.Join(CheckDigest(l.Digest), CheckDigest(diffID)); err != nil {
			return Contents{}, err
		}
		if err := checkLayerType(l); err != nil {
			return Contents{}, err
		}
		if l.Size < 0 || l.Size > limits.LayerBytes {
			return Contents{}, fmt.Errorf("layer %s has %d bytes", l.Digest, l.Size)
		}
		c.Layers = append(c.Layers, Layer{l, diffID})
	}
	return c, nil
}

// checkLayerType refuses layers that are not tar streams, and those that only
// another server has.
func checkLayerType(l v1.Descriptor) error {
	switch {
	case l.MediaType.IsLayer() && l.MediaType != types.DockerForeignLayer && l.MediaType.IsDistributable():
		return nil
	case l.MediaType == types.DockerForeignLayer || !l.MediaType.IsDistributable():
		text := fmt.Sprintf("layer %s has the media type %q, whose content a registry does not keep", l.Digest, l.MediaType)
		if len(l.URLs) > 0 {
			text += ", but another server (" + terminal.Excerpt(l.URLs[0]) + ")"
		}
		return errors.New(text + "; it is not fetched from there: use an image whose layers are all in the registry")
	}
	return fmt.Errorf("layer %s has the media type %q, which is not a file system layer: the reference names an artifact of another kind", l.Digest, l.MediaType)
}

// Has reports that a layer need not be fetched.
func (s Source) Has(l Layer) {
	s.Tell(Event{Kind: "pull", Name: s.Ref, Digest: l.Digest.String(), Done: -1, Total: l.Size})
}

// Fetch copies a compressed layer into a file that scratch opens, and checks it
// against its digest.
func (s Source) Fetch(ctx context.Context, l Layer, scratch func() (*os.File, error)) (*os.File, error) {
	ev := Event{Kind: "pull", Name: s.Ref, Digest: l.Digest.String(), Total: l.Size}
	progress := func(n int64) { ev.Done = n; s.Tell(ev) }
	file, err := scratch()
	if err != nil {
		return nil, err
	}
	if s.Remote == nil || l.Data != nil {
		err = copyLayer(ctx, file, s.Image, l, progress)
	} else {
		err = s.Remote.Download(ctx, file, l.Descriptor, progress)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w", l.Digest, err), file.Close())
	}
	progress(l.Size)
	return file, nil
}

// copyLayer copies a layer from a file.
func copyLayer(ctx context.Context, file *os.File, img v1.Image, from Layer, progress func(int64)) error {
	l, err := img.LayerByDiffID(from.DiffID)
	if err != nil {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(file, ProgressReader(ctx, newVerifier(rc, from.Digest, from.Size), 0, progress))
	return err
}

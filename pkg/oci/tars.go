// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/ctxio"
)

// Tars is an image whose layers can be read at any offset, without a Store and
// without a namespace. It is valid until Close.
type Tars struct {
	Ref    string // the pinned reference
	Config Config
	Layers []Tar // the lowest first

	raw []byte // from which Config was parsed
}

// Tar is the uncompressed tar stream of one layer.
type Tar struct {
	DiffID v1.Hash
	Size   int64 // bytes
	from   interface {
		io.ReaderAt
		io.Closer
	}
}

// ReadAt implements io.ReaderAt.
func (t Tar) ReadAt(p []byte, off int64) (int, error) { return t.from.ReadAt(p, off) }

// Close ends the use of the layers.
func (t *Tars) Close() error {
	var err error
	for _, l := range t.Layers {
		if l.from != nil { // after an error some are not open
			err = errors.Join(err, l.from.Close())
		}
	}
	t.Layers = nil
	return err
}

// OpenTars opens the layers of an image that is not in the local store. Layers that
// the cache does not have are fetched and decompressed once, or read in place if a
// layout has them uncompressed; data that does not match its digest is not used.
func (s Source) OpenTars(ctx context.Context, cache TarCache) (*Tars, error) {
	cache.Limits = cache.Limits.WithDefaults()
	if s.Image == nil {
		return &Tars{Ref: s.Ref}, nil
	}
	src, err := s.tarSource(ctx, cache)
	if err != nil {
		return nil, err
	}
	t := &Tars{Ref: s.Ref, Config: Config{*src.config}, Layers: make([]Tar, len(src.config.RootFS.DiffIDs)), raw: src.raw}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.Parallel())
	for i, id := range src.config.RootFS.DiffIDs {
		g.Go(func() (err error) {
			t.Layers[i], err = src.open(gctx, i, cache)
			if err != nil {
				return fmt.Errorf("layer %s: %w", id, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// tarSource gives the uncompressed layers of an image that was found.
type tarSource struct {
	config *v1.ConfigFile
	raw    []byte // from which config was parsed
	write  func(ctx context.Context, i int, w io.Writer) error
	plain  func(ctx context.Context, i int) (Tar, error) // opens a layer in place, and returns none if that is not possible; nil: it never is
}

func (t *tarSource) open(ctx context.Context, i int, cache TarCache) (Tar, error) {
	id := t.config.RootFS.DiffIDs[i]
	var plain func() (Tar, error)
	if t.plain != nil {
		plain = func() (Tar, error) { return t.plain(ctx, i) }
	}
	return cache.open(ctx, id, plain, func(w io.Writer) error { return t.write(ctx, i, w) })
}

// tarSource checks the image first. A docker archive has no manifest: to make one,
// its layers would have to be compressed.
func (s Source) tarSource(ctx context.Context, cache TarCache) (*tarSource, error) {
	if s.Archive != "" {
		return s.archiveSource(cache.Limits)
	}
	c, err := s.Check(ctx, cache.Limits)
	if err != nil {
		return nil, err
	}
	plain := func(ctx context.Context, i int) (Tar, error) { return s.inPlace(ctx, c.Layers[i]) }
	return &tarSource{&c.Config.ConfigFile, c.Raw, func(ctx context.Context, i int, w io.Writer) error {
		if s.Layout != "" {
			return s.inflateBlob(ctx, c.Layers[i], cache.Limits, w)
		}
		file, err := s.Fetch(ctx, c.Layers[i], cache.scratch)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return inflateTo(ctxio.Writer(ctx, w), file, cache.Limits)
	}, plain}, nil
}

// inflateBlob decompresses a layer from its layout. Whether the blob matches its digest
// is known only at its end; if it does not, that is the error, whatever other error
// there was.
func (s Source) inflateBlob(ctx context.Context, l Layer, limits Limits, w io.Writer) error {
	f, err := openFile(blobPath(s.Layout, l.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	ev := Event{Kind: "pull", Name: s.Ref, Digest: l.Digest.String(), Total: l.Size}
	in := ProgressReader(ctx, newVerifier(f, l.Digest, l.Size), 0, func(n int64) { ev.Done = n; s.Tell(ev) })
	err = inflateTo(w, in, limits)
	if _, wrong := io.Copy(io.Discard, in); wrong != nil {
		return wrong
	}
	ev.Done = l.Size
	s.Tell(ev)
	return err
}

func inflateTo(w io.Writer, in io.Reader, limits Limits) error {
	z, err := Inflate(in, limits)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, z)
	return errors.Join(err, z.Close())
}

// inPlace opens an uncompressed layer in its layout.
func (s Source) inPlace(ctx context.Context, l Layer) (Tar, error) {
	if s.Layout == "" || l.Digest != l.DiffID {
		return Tar{}, nil
	}
	ev := Event{Kind: "pull", Name: s.Ref, Digest: l.Digest.String(), Total: l.Size}
	f, err := openProven(ctx, blobPath(s.Layout, l.Digest), l.Descriptor, func(n int64) { ev.Done = n; s.Tell(ev) })
	if err != nil {
		return Tar{}, err
	}
	ev.Done = l.Size
	s.Tell(ev)
	return Tar{DiffID: l.DiffID, Size: l.Size, from: f}, nil
}

// archiveSource reads the layers of a docker archive. The limit for their size
// depends on the size of the whole file.
func (s Source) archiveSource(limits Limits) (*tarSource, error) {
	cfg, err := s.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	raw, err := s.Image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(s.Archive)
	if err != nil {
		return nil, err
	}
	if n := len(cfg.RootFS.DiffIDs); n > limits.Layers {
		return nil, fmt.Errorf("%d layers are more than %d", n, limits.Layers)
	}
	for _, id := range cfg.RootFS.DiffIDs {
		if err := CheckDigest(id); err != nil {
			return nil, err
		}
	}
	return &tarSource{cfg, raw, func(ctx context.Context, i int, w io.Writer) error {
		id := cfg.RootFS.DiffIDs[i]
		l, err := s.Image.LayerByDiffID(id)
		if err != nil {
			return err
		}
		rc, err := l.Uncompressed()
		if err != nil {
			return err
		}
		ev := Event{Kind: "pull", Name: s.Ref, Digest: id.String(), Total: st.Size()}
		in := &bounded{r: rc, in: &counted{n: st.Size()}, limits: limits}
		n, err := io.Copy(w, ProgressReader(ctx, in, 0, func(n int64) { ev.Done = min(n, ev.Total); s.Tell(ev) }))
		ev.Done, ev.Total = n, n // it is known only now
		s.Tell(ev)
		return errors.Join(err, rc.Close())
	}, nil}, nil
}

// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// Tars is an image whose layers can be read at any offset, without a Store and
// without a namespace. It is valid until Close.
type Tars struct {
	Ref    string // the pinned reference
	Config ImageConfig
	Layers []Tar // the lowest first
}

// Tar is the uncompressed tar stream of one layer.
type Tar struct {
	DiffID v1.Hash
	Size   int64 // bytes
	file   *os.File
}

// ReadAt implements io.ReaderAt.
func (t Tar) ReadAt(p []byte, off int64) (int, error) { return t.file.ReadAt(p, off) }

// Close ends the use of the layers.
func (t *Tars) Close() error {
	var err error
	for _, l := range t.Layers {
		if l.file != nil { // after an error some have not been opened
			err = errors.Join(err, l.file.Close())
		}
	}
	t.Layers = nil
	return err
}

// OpenTars opens the layers of an image: of a registry, an OCI layout or a
// docker archive, named by any reference for which IsStored is false. What the
// cache does not have is fetched and decompressed, once; nothing that fails
// the check against its digest is used.
func (r Registry) OpenTars(ctx context.Context, ref, arch string, cache TarCache) (*Tars, error) {
	t, err := r.openTars(ctx, ref, arch, cache)
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", ref, err)
	}
	return t, nil
}

// IsStored reports whether a reference names an image of the local store.
func IsStored(ref string) bool {
	r, err := parseReference(ref)
	return err == nil && r.kind == kindStore
}

func (r Registry) openTars(ctx context.Context, ref, arch string, cache TarCache) (*Tars, error) {
	if IsStored(ref) {
		return nil, errors.New("it is in the local store, which is opened as a whole")
	}
	cache.Limits = cache.Limits.withDefaults()
	f, err := r.find(ctx, ref, arch)
	if err != nil {
		return nil, err
	}
	if f.image == nil {
		return &Tars{Ref: f.pinned}, nil
	}
	src, err := r.tarSource(ctx, f, cache)
	if err != nil {
		return nil, err
	}
	t := &Tars{Ref: f.pinned, Config: ImageConfig{*src.config}, Layers: make([]Tar, len(src.config.RootFS.DiffIDs))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs())
	for i, id := range src.config.RootFS.DiffIDs {
		g.Go(func() (err error) {
			t.Layers[i], err = cache.open(gctx, id, func(w io.Writer) error { return src.write(gctx, i, w) })
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
	write  func(ctx context.Context, i int, w io.Writer) error
}

// tarSource checks the image first. A docker archive has no manifest: to make
// one, its layers would have to be compressed.
func (r Registry) tarSource(ctx context.Context, f found, cache TarCache) (*tarSource, error) {
	if f.archive != "" {
		return r.archiveSource(f, cache.Limits)
	}
	m, cfg, err := checkImage(f.image, cache.Limits)
	if err != nil {
		return nil, f.explain(ctx, err)
	}
	return &tarSource{cfg, func(ctx context.Context, i int, w io.Writer) error {
		file, err := r.fetch(ctx, f, m.Layers[i], cfg.RootFS.DiffIDs[i], cache.scratch)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		z, err := inflate(file, cache.Limits)
		if err != nil {
			return err
		}
		_, err = io.Copy(&contextWriter{ctx, w}, z)
		return errors.Join(err, z.Close())
	}}, nil
}

// archiveSource reads the layers of a docker archive. That they are not larger
// than it may be is measured against the whole file.
func (r Registry) archiveSource(f found, limits Limits) (*tarSource, error) {
	cfg, err := f.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(f.archive)
	if err != nil {
		return nil, err
	}
	if n := len(cfg.RootFS.DiffIDs); n > limits.Layers {
		return nil, fmt.Errorf("%d layers are more than %d", n, limits.Layers)
	}
	for _, id := range cfg.RootFS.DiffIDs {
		if err := checkHash(id); err != nil {
			return nil, err
		}
	}
	return &tarSource{cfg, func(ctx context.Context, i int, w io.Writer) error {
		id := cfg.RootFS.DiffIDs[i]
		l, err := f.image.LayerByDiffID(id)
		if err != nil {
			return err
		}
		rc, err := l.Uncompressed()
		if err != nil {
			return err
		}
		ev := TransferEvent{Kind: "pull", Name: f.pinned, Digest: id.String(), Total: st.Size()}
		in := &progressReader{ctx: ctx, report: func(n int64) { ev.Done = min(n, ev.Total); r.event(ev) }}
		in.r = &bounded{r: rc, in: &counted{n: st.Size()}, limits: limits}
		n, err := io.Copy(w, in)
		ev.Done, ev.Total = n, n // only now it is known
		r.event(ev)
		return errors.Join(err, rc.Close())
	}}, nil
}

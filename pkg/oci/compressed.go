// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// PushOptions say how an image is compressed when it leaves a store.
type PushOptions struct {
	Cache       BlobCache
	Compression Compression // "" is Gzip, which all programs read
	Level       int         // compression level, 1 is the fastest; 0 means the default

	// Known, if it is not nil, returns the blob that a layer already has at the
	// destination, so that it need not be compressed to find its digest.
	Known func(diffID v1.Hash) (v1.Descriptor, bool)
}

// Check refuses a level that the compression does not support.
func (o PushOptions) Check() error {
	most := 9
	switch o.compression() {
	case Gzip:
	case Zstd:
		most = 22
	default:
		return fmt.Errorf("unknown compression %q: want gzip or zstd", o.Compression)
	}
	if o.Level < 0 || o.Level > most {
		return fmt.Errorf("%s has the levels 1 to %d, not %d", o.compression(), most, o.Level)
	}
	return nil
}

func (o PushOptions) compression() Compression {
	if o.Compression == "" {
		return Gzip
	}
	return o.Compression
}

// compressed is a stored image with compressed layers from a blob cache.
type compressed struct {
	manifest []byte
	config   []byte
	layers   map[v1.Hash]*blobLayer
}

// blobLayer is a stored layer and its blob.
type blobLayer struct {
	again func() error // calls find again, as long as the image is valid
	layer StoredLayer
	desc  v1.Descriptor
	cache BlobCache
	how   packing
	jobs  int
}

// Compress compresses the layers of an image, or finds them in the cache. The
// result is valid as long as ctx.
func (i Stored) Compress(ctx context.Context, t Transfer, o PushOptions) (v1.Image, error) {
	o.Cache.sweep()
	layers := make([]*blobLayer, len(i.Layers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(t.Parallel())
	for n, l := range i.Layers {
		g.Go(func() error {
			b := &blobLayer{layer: l, cache: o.Cache, how: packing{o.compression(), o.Level}, jobs: t.Parallel()}
			b.again = func() error { return b.find(ctx, func(int64) {}) }
			layers[n] = b
			if o.Known != nil {
				var ok bool
				if b.desc, ok = o.Known(l.DiffID); ok {
					return nil
				}
			}
			return b.find(gctx, func(done int64) {
				t.Tell(Event{Kind: "compress", Name: i.label(), Digest: l.DiffID.String(), Done: done, Total: l.Size})
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, i.explain(ctx, err)
	}
	img := &compressed{config: i.Config, layers: map[v1.Hash]*blobLayer{}}
	var descs []v1.Descriptor
	for _, l := range layers {
		descs = append(descs, l.desc)
		img.layers[l.desc.Digest] = l
	}
	var err error
	if img.manifest, err = annotatedManifest(i.Config, descs, i.Annotations); err != nil {
		return nil, err
	}
	return partial.CompressedToImage(img)
}

func (i *compressed) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *compressed) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *compressed) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (i *compressed) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	l, ok := i.layers[h]
	if !ok {
		return nil, fmt.Errorf("no layer %s", h)
	}
	return l, nil
}

// find sets the descriptor, from the cache or by compressing.
func (b *blobLayer) find(ctx context.Context, report func(int64)) error {
	var ok bool
	if b.desc, ok = b.cache.find(b.layer.DiffID, b.how); ok {
		return nil
	}
	var err error
	b.desc, err = b.cache.put(ctx, b.layer.DiffID, b.how, b.jobs, func(w io.Writer) error {
		return b.layer.Write(&progressWriter{w: w, report: report})
	})
	if err != nil {
		return fmt.Errorf("compress layer %s: %w", b.layer.DiffID, err)
	}
	return nil
}

type progressWriter struct {
	w       io.Writer
	report  func(int64)
	n, last int64
}

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.n += int64(n)
	if p.n-p.last >= 4<<20 {
		p.last = p.n
		p.report(p.n)
	}
	return n, err
}

func (b *blobLayer) Digest() (v1.Hash, error)            { return b.desc.Digest, nil }
func (b *blobLayer) DiffID() (v1.Hash, error)            { return b.layer.DiffID, nil }
func (b *blobLayer) Size() (int64, error)                { return b.desc.Size, nil }
func (b *blobLayer) MediaType() (types.MediaType, error) { return b.desc.MediaType, nil }
func (b *blobLayer) Descriptor() (*v1.Descriptor, error) { return &b.desc, nil }

// Compressed opens the blob after checking it. A damaged one is made again;
// compressing the same layer gives the same bytes.
func (b *blobLayer) Compressed() (io.ReadCloser, error) {
	if err := b.cache.check(b.desc); err != nil {
		before := b.desc
		if err := b.again(); err != nil {
			return nil, err
		}
		if b.desc.Digest != before.Digest {
			return nil, fmt.Errorf("blob %s was damaged, and has another digest when made again: %w", before.Digest, ErrDamaged)
		}
	}
	file := &fileLayer{path: b.cache.blobFile(b.desc.Digest), desc: b.desc}
	return file.Compressed()
}

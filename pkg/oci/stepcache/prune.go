// SPDX-License-Identifier: MPL-2.0

package stepcache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Prune removes results written before a time. If look is set, it removes nothing and
// returns what it would remove. Removed and kept count results; the notes of stages
// that "why" reads are removed by the same rule, but not counted. Other images in the
// same place are kept, and so is a result that has another tag as well.
func (p *Place) Prune(ctx context.Context, before time.Time, look bool) (removed, kept int, err error) {
	tags, err := p.images.Tags(ctx)
	if err != nil {
		return 0, 0, err
	}
	var mu sync.Mutex
	old, others := map[string]oci.Digest{}, map[oci.Digest]bool{} // digests of manifests
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, tag := range tags {
		g.Go(func() error {
			a, err := p.age(gctx, tag)
			if err != nil || a == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case !a.ours:
				others[a.manifest] = true
			case !a.written.IsZero() && a.written.Before(before):
				old[tag] = a.manifest
			default:
				kept += results(tag)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	for tag, h := range old {
		if others[h] {
			kept += results(tag)
			delete(old, tag)
			continue
		}
		removed += results(tag)
	}
	if !look {
		err = p.images.Remove(ctx, old)
	}
	return removed, kept, err
}

// results is the number of results of a tag: 1 or 0.
func results(tag string) int {
	if strings.HasPrefix(tag, stepTag) {
		return 1
	}
	return 0
}

// age is when an image was written.
type age struct {
	ours     bool // it is a result
	written  time.Time
	manifest oci.Digest
}

// age is the age of a tag's image; nil if there is none, or if the image is not
// readable and belongs to somebody else.
func (p *Place) age(ctx context.Context, tag string) (*age, error) {
	ours := strings.HasPrefix(tag, stepTag) || strings.HasPrefix(tag, pastTag)
	src, err := p.images.Image(ctx, tag)
	if errors.Is(err, oci.ErrNoImage) || err != nil && !ours && Unusable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tag, err)
	}
	m, err := src.Image.Manifest()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tag, err)
	}
	a := &age{ours: ours && m.Annotations[formatAnnotation] != ""}
	a.written, _ = time.Parse(time.RFC3339, m.Annotations[writeAnnotation]) // zero if there is none
	if a.manifest, err = src.Image.Digest(); err != nil {
		return nil, fmt.Errorf("%s: %w", tag, err)
	}
	return a, nil
}

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

// Prune removes what was written before a time, or only looks for it; then it is what a
// removal would remove. Removed and kept are numbers of results, without the notes of
// stages that "why" reads, which go by the same rule. Images of others in the
// same place stay, and a result that has another tag as well does.
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

// results is how many results the image of a tag is.
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

// age is that of the image of a tag; nil where there is none, or something else of
// somebody else.
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
	a.written, _ = time.Parse(time.RFC3339, m.Annotations[writeAnnotation]) // zero where it is none
	if a.manifest, err = src.Image.Digest(); err != nil {
		return nil, fmt.Errorf("%s: %w", tag, err)
	}
	return a, nil
}

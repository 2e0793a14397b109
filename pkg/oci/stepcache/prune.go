// SPDX-License-Identifier: MPL-2.0

package stepcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Prune removes what was written before a time, or only looks for it; then it is what a
// removal would remove. Removed and kept are numbers of results. Images of others in the
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
			src, err := p.images.Image(gctx, tag)
			if errors.Is(err, oci.ErrNoImage) {
				return nil
			}
			ours := strings.HasPrefix(tag, stepTag) || strings.HasPrefix(tag, pastTag)
			if err != nil && !ours && Unusable(err) { // an index, or an artifact of another kind
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
			m, err := src.Image.Manifest()
			if err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
			h, err := src.Image.Digest()
			if err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
			written, terr := time.Parse(time.RFC3339, m.Annotations[writeAnnotation])
			mu.Lock()
			defer mu.Unlock()
			switch {
			case !ours || m.Annotations[formatAnnotation] == "":
				others[h] = true
			case terr == nil && written.Before(before):
				old[tag] = h
			default:
				kept++
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	var drop []string
	for tag, h := range old {
		if others[h] {
			kept++
			continue
		}
		drop = append(drop, tag)
	}
	slices.Sort(drop)
	if !look {
		err = p.images.Remove(ctx, drop)
	}
	return len(drop), kept, err
}

// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Decision is what becomes of one package of the new feed.
type Decision struct {
	Package *Package
	Kept    *Package // the older one that stands in its place; nil if it is taken
	Reason  string   // why it is taken

	control string // of a taken one, with the versions of kept packages
}

// Rewritten reports whether a taken package gets another control file.
func (d *Decision) Rewritten() bool { return d.Kept == nil && d.control != d.Package.control.Text }

// Plan is a reduced feed, before it is written. Decisions are sorted by the
// paths of the packages.
type Plan struct {
	Decisions []*Decision
}

// Compare finds out which packages equal an older one. It reads contents only
// where the control files leave the question open.
func Compare(ctx context.Context, packages, older []*Package, o Options) (*Plan, error) {
	pairs := match(packages, older)
	total := int64(0)
	for _, p := range pairs {
		total += p.new.Size
	}
	done := o.progress("compare packages", total)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.Jobs, 1))
	for _, p := range pairs {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			if p.reason == "" {
				if err := p.compare(o.Limits); err != nil {
					return fmt.Errorf("compare %s with %s: %w", p.new.Path(), p.old.Path(), err)
				}
			}
			done.add(p.new.Size)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s := solve(pairs)
	plan := &Plan{}
	for _, p := range pairs {
		plan.Decisions = append(plan.Decisions, s.decision(p))
	}
	return plan, nil
}

func (s *solver) decision(p *pair) *Decision {
	if p.reason == "" {
		return &Decision{Package: p.new, Kept: p.old}
	}
	return &Decision{Package: p.new, Reason: p.reason, control: rewriteControl(p.new.control.Text, s.version)}
}

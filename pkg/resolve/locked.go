// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// lockHint is the remedy for a missing entry.
const lockHint = "carosbuild lock writes a new one"

// lockedBootstrap looks a bootstrap up in the lock file. If there is no entry, the
// caller continues as without a lock file, unless Locked is set.
func (r *Resolver) lockedBootstrap(s *decl.Stage, want debian.Bootstrap, out *Resolved) (*debian.Resolution, bool, error) {
	l, ok := r.Lock.bootstrap(want)
	if !ok {
		return nil, r.unlocked(s.ID, s.Bootstrap.Span, "bootstrap "+want.Suite, out), nil
	}
	res, err := l.Resolution(want, r.Host)
	if err != nil {
		return nil, false, &finding.ListError{Findings: finding.Findings{{Span: s.Bootstrap.Span, Summary: err.Error(), Hint: lockHint}}}
	}
	return res, false, nil
}

// lockedImage looks an image up in the lock file: pinned is "" if the image is to
// be resolved as without one.
func (r *Resolver) lockedImage(ctx context.Context, s *decl.Stage, a *decl.From, out *Resolved) (pinned string, refused bool, err error) {
	if !lockable(a.Image) {
		return "", false, nil
	}
	digest, ok := r.Lock.image(a.Image, r.Arch)
	if !ok {
		return "", r.unlocked(s.ID, a.Span, "image "+a.Image, out), nil
	}
	ref := plan.ImageRef(s, a.Image)
	if !oci.IsLocal(ref) {
		return digest, false, nil
	}
	now, err := r.Registry.Resolve(ctx, ref, r.Arch)
	if err != nil {
		return "", false, fmt.Errorf("stage %s: %w", s.ID, err)
	}
	if got := lockedForm(ref, now); got != digest {
		return now, r.moved(s, a, got, digest, out), nil
	}
	return now, false, nil
}

// moved reports an image on this machine that differs from the locked one.
func (r *Resolver) moved(s *decl.Stage, a *decl.From, got, want string, out *Resolved) bool {
	text := fmt.Sprintf("image %s is %s here, and %s in the lock file", a.Image, got, want)
	if r.Locked {
		out.refused = append(out.refused, finding.Finding{Span: a.Span, Summary: text, Hint: lockHint})
		return true
	}
	r.note(s.ID, text)
	return false
}

// unlocked notes something that the lock file does not have. It reports whether it
// must not be resolved now.
func (r *Resolver) unlocked(stage string, at finding.Span, what string, out *Resolved) bool {
	if r.Locked {
		out.refused = append(out.refused, finding.Finding{Span: at, Summary: what + " is not in the lock file", Hint: lockHint})
		return true
	}
	if r.Lock != nil {
		r.note(stage, what+" is not in the lock file")
	}
	return false
}

func (r *Resolver) note(stage, text string) {
	if r.Note != nil {
		r.Note(stage, text)
	}
}

// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Images looks images up, wherever they are.
type Images interface {
	// Resolve returns a reference with the digest of the image for an architecture.
	Resolve(ctx context.Context, ref, arch string) (pinned string, err error)
	// Environment returns the variables, NAME=VALUE, of an image's configuration.
	Environment(ctx context.Context, ref, arch string) ([]string, error)
}

// Resolver looks up what a plan depends on outside the declaration.
type Resolver struct {
	Pins     Pins
	Fetcher  *debian.Fetcher
	Host     debian.Host
	Registry Images
	Git      *git.Cache
	Added    files.Memory   // of the files of this machine that are added
	Rewrites git.Rewrites   // of git remotes
	Within   *confine.Roots // roots that the declaration may read; what Rewrites names is chosen by the caller
	Arch     string         // Debian name
	Epoch    *int64
	Update   bool // resolve pinned names again
	Now      func() time.Time
	Note     func(stage, text string)
	// Bases are stages with a bootstrap that others, by their ids, are based on
	// without starting from them: those start from stored images.
	Bases   map[string]*decl.Stage
	Lock    *Lock // takes precedence over pins; may be nil
	Locked  bool  // a name that is not in Lock is a mistake
	Partial bool  // look-ups that a server does not answer are noted in Unresolved: the plan is only shown
}

// Resolved is what Resolve found.
type Resolved struct {
	plan.Facts
	refused finding.Findings // what is not locked, and must be
}

// Resolve looks up everything that the targets need. Missing files and unknown
// images are findings of one finding.ListError; an unreachable mirror or registry
// ends the look-up at once.
func (r *Resolver) Resolve(ctx context.Context, d *decl.Declaration, targets []string) (*Resolved, error) {
	stages, err := plan.Order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	out := &Resolved{Facts: plan.Facts{
		Arch: r.Arch, Epoch: r.Epoch, Images: map[string]string{}, Bootstraps: map[string]string{},
		Packages: map[string]*debian.Resolution{}, Wanted: map[string]debian.Bootstrap{}, Base: map[string]string{}, Without: map[string][]string{},
		Keyrings: map[string]string{}, Host: r.host(), Files: map[string]string{}, Paths: map[string]string{}, Contents: map[string][]files.AddedFile{},
	}}
	stages, missing, err := r.filled(ctx, stages, out)
	if err != nil {
		return nil, err
	}
	for _, s := range stages {
		switch {
		case s.Bootstrap != nil:
			out.Base[s.ID] = s.ID
			if err := r.bootstrap(ctx, s, out); err != nil {
				return nil, err
			}
		case r.Bases[s.ID] != nil:
			out.Base[s.ID] = s.ID
			if out.Wanted[s.ID], err = r.wanted(r.Bases[s.ID]); err != nil {
				return nil, err
			}
			if p, ok := r.Pins.read(r.bootstrapPin(out.Wanted[s.ID])); ok && p.Debian != nil {
				out.Without[s.ID] = p.Debian.Without
			}
		case s.Prestage != "":
			out.Base[s.ID] = out.Base[s.Prestage]
		}
		for _, a := range s.Actions {
			if c, ok := a.(*decl.Copy); ok && len(c.Variables) > 0 && len(missing) > 0 {
				continue // variables in its names may not have their final values
			}
			found, err := r.action(ctx, s, a, out)
			if err != nil {
				return nil, err
			}
			missing = append(missing, found...)
		}
	}
	if plan.UsesTrees(stages) {
		if err := r.trees(ctx, d, out); err != nil {
			return nil, err
		}
	}
	if missing = append(missing, out.refused...); len(missing) > 0 {
		return nil, &finding.ListError{Findings: missing}
	}
	return out, nil
}

// action resolves what an action names. Findings are about this action only.
func (r *Resolver) action(ctx context.Context, s *decl.Stage, a decl.Action, out *Resolved) (finding.Findings, error) {
	switch do := a.(type) {
	case *decl.From:
		return nil, r.image(ctx, s, do, out)
	case *decl.Copy:
		return r.addedFiles(ctx, s, do, out)
	}
	return nil, nil
}

func (r *Resolver) addedFiles(ctx context.Context, s *decl.Stage, a *decl.Copy, out *Resolved) (finding.Findings, error) {
	if a.FromStage != "" {
		return nil, nil
	}
	var fs_ finding.Findings
	for _, src := range a.Sources {
		err := r.addedFile(ctx, s, src, out)
		outside, isOutside := confine.Is(err)
		switch {
		case err == nil:
		case isOutside:
			fs_ = append(fs_, outside.Finding(a.Span, fmt.Sprintf("source %q of %s", src, a.Kind())))
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case a.Optional && errors.Is(err, fs.ErrNotExist), len(out.Unresolved) > 0 && strings.Contains(src, "$"): // from an image that was not looked up
			out.Files[plan.SourceKey(s.ID, src)] = ""
		case errors.Is(err, fs.ErrNotExist):
			fs_ = append(fs_, finding.Finding{
				Span: a.Span, Summary: fmt.Sprintf("source %q of %s does not exist (looked in %s)", src, a.Kind(), lookedIn(s, src)), Hint: files.PatternHint(src),
			})
		default:
			fs_ = append(fs_, finding.Finding{Span: a.Span, Summary: fmt.Sprintf("source %q of %s: %v", src, a.Kind(), err)})
		}
	}
	return fs_, nil
}

// addedFile finds a source and computes its digest.
func (r *Resolver) addedFile(ctx context.Context, s *decl.Stage, src string, out *Resolved) error {
	path, err := r.find(s, src)
	if err != nil {
		return err
	}
	found, done, err := r.Within.Open(path)
	if err != nil {
		return err
	}
	defer done()
	if err = files.Check(found); err == nil {
		id := plan.SourceKey(s.ID, src)
		if out.Files[id], out.Contents[id], err = r.Added.DigestAll(ctx, found); err == nil {
			out.Paths[id] = path
		}
	}
	if err != nil && found != path {
		return &namedError{err, found, path}
	}
	return err
}

// namedError is an error about a file under the name that the user knows.
type namedError struct {
	error
	found, path string
}

func (e *namedError) Error() string { return strings.ReplaceAll(e.error.Error(), e.found, e.path) }
func (e *namedError) Unwrap() error { return e.error }

func lookedIn(s *decl.Stage, src string) string {
	if filepath.IsAbs(src) {
		return "/"
	}
	return strings.Join(files.Dirs(s), ", ")
}

// image pins the image of a FROM.
func (r *Resolver) image(ctx context.Context, s *decl.Stage, a *decl.From, out *Resolved) error {
	ref := plan.ImageRef(s, a.Image)
	if err := r.checkImage(ref, a); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if out.Images[ref] != "" || out.Unresolved[plan.ImageOf(ref)] != "" {
		return nil
	}
	locked, refused, err := r.lockedImage(ctx, s, a, out)
	if err != nil || refused {
		return err
	}
	if locked != "" {
		out.Images[ref] = locked
		return nil
	}
	id := key.Name("pin image", ref, r.Arch)
	if p, ok := r.Pins.read(id); ok && p.Image != "" && !r.Update && !oci.IsLocal(ref) {
		out.Images[ref] = p.Image
		return nil
	}
	pinned, err := r.Registry.Resolve(ctx, ref, r.Arch)
	if r.put(out, err, plan.ImageOf(ref)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stage %s: %w", s.ID, err)
	}
	out.Images[ref] = pinned
	return r.Pins.write(id, pin{Image: pinned})
}

// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"cmp"
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
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/words"
)

// wanted is a stage's bootstrap in the terms of package debian.
func (r *Resolver) wanted(s *decl.Stage) (debian.Bootstrap, error) {
	b := s.Bootstrap
	want := debian.Bootstrap{
		Suite: b.Suite, Arch: b.Arch, Variant: b.Variant, Components: b.Components, Packages: b.Packages,
		Keyring: b.Keyring, Mirror: b.Mirror, SecurityMirror: b.SecurityMirror, Snapshot: b.Snapshot,
	}
	if want.Arch == "" {
		want.Arch = r.Arch
	}
	if err := r.checkMirrors(b); err != nil {
		return want, err
	}
	if filepath.IsAbs(want.Keyring) {
		if outside, ok := confine.Is(r.Within.Check(want.Keyring)); ok {
			return want, refused(outside, b.At("keyring", b.Keyring), fmt.Sprintf("keyring %q", b.Keyring))
		}
	} else if want.Keyring != "" {
		path, err := r.find(s, want.Keyring)
		if outside, ok := confine.Is(err); ok {
			return want, refused(outside, b.At("keyring", b.Keyring), fmt.Sprintf("keyring %q", b.Keyring))
		}
		if err != nil {
			return want, r.mistakes(s, &debian.Mistake{
				Attr: "keyring", Value: b.Keyring, Text: fmt.Sprintf("keyring %q does not exist (looked in %s)", b.Keyring, lookedIn(s, b.Keyring)), Err: err,
			})
		}
		want.Keyring = path
	}
	return want, r.mistakes(s, want.Check())
}

// host is what this machine says about mirrors, without secrets.
func (r *Resolver) host() *debian.Host {
	h := r.Host.Public()
	return &h
}

func (r *Resolver) bootstrap(ctx context.Context, s *decl.Stage, out *Resolved) error {
	want, err := r.wanted(s)
	if err != nil {
		return err
	}
	out.Wanted[s.ID] = want
	if want.Keyring != "" {
		// The keyring is not needed for pinned packages, and may no longer exist.
		if out.Keyrings[s.ID], err = files.Digest(ctx, want.Keyring); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return r.mistakes(s, &debian.Mistake{Attr: "keyring", Value: s.Bootstrap.Keyring, Text: fmt.Sprintf("keyring %q: %v", s.Bootstrap.Keyring, err), Err: err})
		}
	}
	id := r.bootstrapPin(want)
	locked, refused, err := r.lockedBootstrap(s, want, out)
	if err != nil || refused {
		return err
	}
	if locked != nil {
		out.Packages[s.ID] = locked
	} else if p, ok := r.Pins.read(id); ok && p.Debian != nil && !r.Update {
		out.Packages[s.ID] = p.Debian
	} else {
		mirror := plan.MirrorOf(want.Mirror, r.Host.Mirror)
		if why := out.Unresolved[mirror]; why != "" { // do not ask for it again
			out.Unresolved[plan.BootstrapOf(s.ID)] = why
			return nil
		}
		res, err := r.Fetcher.Resolve(ctx, want, r.Host, r.Now())
		if debian.AsMistakes(err) == nil && r.put(out, err, mirror, plan.BootstrapOf(s.ID)) {
			return nil
		}
		if err != nil {
			return r.mistakes(s, err)
		}
		if err := r.Pins.write(id, pin{Debian: res}); err != nil {
			return err
		}
		out.Packages[s.ID] = res
		for _, suite := range res.Without {
			r.note(s.ID, "the mirror "+res.Releases[0].URL+" has no "+suite+"; built without it")
		}
	}
	out.Without[s.ID] = out.Packages[s.ID].Without
	// Steps on top install packages from the suites in their current state: all of
	// it counts, not only what the bootstrap itself installed.
	state := []string{out.Packages[s.ID].Digest()}
	for _, rel := range out.Packages[s.ID].Releases {
		state = append(state, rel.Suite, rel.Date.UTC().Format(time.RFC3339))
	}
	out.Bootstraps[s.ID] = strings.Join(state, " ")
	return nil
}

// BootstrapError is about the packages of a stage.
type BootstrapError struct {
	Stage, Suite string
	Err          error
}

func (e *BootstrapError) Error() string {
	return fmt.Sprintf("stage %s: bootstrap %s: %v", e.Stage, e.Suite, e.Err)
}
func (e *BootstrapError) Unwrap() error { return e.Err }

// bootstrapPin is the pin for the result of a bootstrap on this host.
func (r *Resolver) bootstrapPin(want debian.Bootstrap) string {
	fields := []string{
		"pin debian", want.Suite, want.Arch, want.Variant, key.List(want.Components), key.List(want.Packages), want.Keyring,
		want.Mirror, want.SecurityMirror, want.Snapshot, r.Host.Mirror, r.Host.SecurityMirror,
	}
	if r.Host.UbuntuMirror+r.Host.UbuntuSecurityMirror != "" {
		fields = append(fields, r.Host.UbuntuMirror, r.Host.UbuntuSecurityMirror)
	}
	return key.Name(fields...)
}

// mistakes turns errors of a bootstrap into findings at the attributes that cause
// them. Another error names the stage.
func (r *Resolver) mistakes(s *decl.Stage, err error) error {
	if cache, ok := errors.AsType[*debian.CacheError](err); ok {
		return &remedy.Error{
			Tried: "keep downloads in " + cache.Dir, Err: cache.Err,
			Cure: "set XDG_CACHE_HOME, or HOME, to a directory that this account can write",
		}
	}
	ms := debian.AsMistakes(err)
	if ms == nil {
		if err != nil {
			err = &BootstrapError{s.ID, s.Bootstrap.Suite, err}
		}
		return err
	}
	var findings finding.Findings
	for _, m := range ms {
		f := finding.Finding{Span: s.Bootstrap.At(m.Attr, m.Value), Summary: m.Text, Hint: cmp.Or(words.DidYouMean(m.Value, m.Known), m.Hint)}
		findings = append(findings, f)
	}
	return &finding.ListError{Findings: findings}
}

// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
	"github.com/carosio/carosbuild/pkg/words"
)

// Here is what this machine has: its caches, and what it was given.
type Here struct {
	Packages *debian.Fetcher
	Git      *git.Cache
	Image    func(ref, arch string) (bool, error) // whether an image of a registry is here
	Local    func(ref string) bool                // whether a reference is not one of a registry
}

// Need is something that a step needs.
type Need struct {
	Stage string       `json:"stage"`
	At    finding.Span `json:"at"`
	What  string       `json:"what"`
}

// LackingError says what a build without a network lacks.
type LackingError struct {
	Needs []Need
	Cure  string // "" is that for a build
}

func (e *LackingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "--offline: this machine lacks %s:", words.Count(len(e.Needs), "thing"))
	for i, n := range e.Needs {
		if i == 0 || n.Stage != e.Needs[i-1].Stage || n.At != e.Needs[i-1].At {
			fmt.Fprintf(&b, "\n  %s:%d:%d: stage %s:", finding.Escape(n.At.File), n.At.Line, n.At.Col, n.Stage)
		}
		b.WriteString("\n    " + n.What)
	}
	fmt.Fprintf(&b, "\n%-12s %s", "remedy:", cmp.Or(e.Cure, "build once without --offline, or bring a folder that carosbuild vendor has written, and name it with --vendor"))
	return b.String()
}

// NetworkFault implements netfault.Fault: all of it can be had with a network.
func (e *LackingError) NetworkFault() bool { return true }

// Lacking is all that the steps of a plan that are not cached need and that is not here.
func Lacking(ctx context.Context, p *plan.Plan, here Here) ([]Need, error) {
	var all []Need
	for i := range p.Stages {
		j := &p.Stages[i]
		for k := firstToRun(j); k < len(j.Steps); k++ {
			what := unknown(&j.Steps[k])
			more, err := here.lacks(ctx, &j.Steps[k])
			if err != nil {
				return nil, fmt.Errorf("stage %s: %w", j.ID, err)
			}
			all = append(all, needs(j, k, append(what, more...))...)
		}
	}
	return all, nil
}

// Unknown is all of which a plan does not say what it is, because it was not looked up.
func Unknown(p *plan.Plan) []Need {
	var all []Need
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			all = append(all, needs(&p.Stages[i], k, unknown(&p.Stages[i].Steps[k]))...)
		}
	}
	return all
}

func needs(j *plan.Job, k int, what []string) []Need {
	var all []Need
	for _, w := range what {
		all = append(all, Need{Stage: j.ID, At: j.Steps[k].Span, What: w})
	}
	return all
}

// firstToRun is the first step after the last one whose result is stored.
func firstToRun(j *plan.Job) int {
	for k := len(j.Steps) - 1; k >= 0; k-- {
		if j.Steps[k].Cached {
			return k + 1
		}
	}
	return 0
}

// unknown is what a step names and was not looked up, with the reason if that is another
// than that no server was asked.
func unknown(s *plan.Step) []string {
	why := "neither a lock file nor an earlier build says "
	reason := ""
	if s.Unresolved != "" && !download.IsClosed(s.Unresolved) {
		reason = " (" + s.Unresolved + ")"
	}
	switch a := s.Action.(type) {
	case *plan.From:
		if a.Pinned == "" {
			return []string{"image " + a.Image + ": " + why + "which digest this is" + reason}
		}
	case *plan.Bootstrap:
		if a.Packages == nil {
			return []string{fmt.Sprintf("packages of %s for %s: %swhich these are%s", a.Wanted.Suite, a.Wanted.Arch, why, reason)}
		}
	case *plan.Reposync:
		var out []string
		for _, t := range a.Trees {
			if t.Commit == "" {
				out = append(out, fmt.Sprintf("revision %s of %s: %swhich commit this is%s", t.Revision, t.URL, why, reason))
			}
		}
		return out
	}
	return nil
}

func (h Here) lacks(ctx context.Context, s *plan.Step) ([]string, error) {
	switch a := s.Action.(type) {
	case *plan.From:
		return h.lacksImage(a)
	case *plan.Bootstrap:
		return h.lacksPackages(a)
	case *plan.Reposync:
		return h.lacksTrees(ctx, a)
	}
	return nil, nil
}

func (h Here) lacksImage(a *plan.From) ([]string, error) {
	if a.Pinned == "" || h.Local(a.Pinned) {
		return nil, nil
	}
	ok, err := h.Image(a.Pinned, a.Arch)
	if ok || err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("image %s for %s, %s", a.Image, a.Arch, plan.DigestOf(a.Pinned))}, nil
}

func (h Here) lacksPackages(a *plan.Bootstrap) ([]string, error) {
	if a.Packages == nil {
		return nil, nil
	}
	lacking, err := h.Packages.Lacking(a.Packages)
	var out []string
	for _, p := range lacking {
		out = append(out, fmt.Sprintf("package %s %s for %s, %s (%s, %s)", p.Name, p.Version, p.Arch, p.Filename, bytesize.Format(p.Size), p.Sum))
	}
	return out, err
}

func (h Here) lacksTrees(ctx context.Context, a *plan.Reposync) ([]string, error) {
	var out []string
	for i, t := range a.Trees {
		if t.Commit == "" {
			continue
		}
		lacking, err := h.Git.Lacking(ctx, a.From[i:i+1])
		if err != nil {
			return nil, err
		}
		if len(lacking) > 0 {
			out = append(out, fmt.Sprintf("commit %s of %s", t.Commit, lacking[0].URL))
		}
	}
	return out, nil
}

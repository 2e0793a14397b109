// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Plan is what a build would do, as data: encoding/json gives it and takes it
// back without loss, but for text that is not UTF-8.
type Plan struct {
	Version int      `json:"version"` // of the form, see Check
	Targets []string `json:"targets"`
	Stages  []Job    `json:"stages"` // each after those it needs
}

// Job is one stage of a Plan: all that it takes to build the stage, beside the
// results of the stages that it needs.
type Job struct {
	ID      string   `json:"id"`
	Parent  string   `json:"parent,omitempty"` // stage that it is based on; "" if its first step gives it a root
	Needs   []string `json:"needs,omitzero"`   // the parent first
	Steps   []Step   `json:"steps"`
	Key     string   `json:"key"`               // of the last step
	Arch    string   `json:"arch,omitempty"`    // Debian name of the host's architecture
	Epoch   *int64   `json:"epoch,omitempty"`   // SOURCE_DATE_EPOCH, seconds since 1970
	Network string   `json:"network,omitempty"` // of commands: host or none, "" for the usual one
	Caches  []Cache  `json:"caches,omitzero"`
	Apt     *Apt     `json:"apt,omitempty"` // what apt is told in commands; nil in stages that are not based on a bootstrap

	// GitLayers says that the declaration has some: bitbake is told the build id.
	GitLayers bool `json:"git_layers,omitempty"`
}

// Cache is a directory that is kept between builds and never enters a layer.
type Cache struct {
	Path   string `json:"path"`             // absolute, inside the stage
	ID     string `json:"id,omitempty"`     // name that stages share it by; "" means the path
	Shared bool   `json:"shared,omitempty"` // several steps may use it at a time
}

// Apt says which mirrors a stage was made from, and how they are reached.
type Apt struct {
	Bootstrap debian.Bootstrap `json:"bootstrap"`
	Without   []string         `json:"without,omitzero"` // suites that the mirror does not have
	Host      *debian.Host     `json:"host,omitempty"`   // what the machine that planned says of mirrors, without passwords; nil: the machine that builds the stage says it
}

// Facts are what was looked up outside of the declaration. Maps miss entries
// only for stages that are not planned.
type Facts struct {
	Arch       string                        // Debian name of the host's architecture: that of stages that name none
	Epoch      *int64                        // SOURCE_DATE_EPOCH, seconds since 1970
	Network    string                        // of commands: host or none, "" or auto for the usual one; stages may name another one
	Images     map[string]string             // ImageRef of a FROM -> the same with its digest
	Bootstraps map[string]string             // stage -> digest of the packages it was resolved to
	Packages   map[string]*debian.Resolution // by stage: what a bootstrap installs
	Wanted     map[string]debian.Bootstrap   // by stage: what was asked for
	Keyrings   map[string]string             // by stage: digest of the keyring that its bootstrap names; may miss some
	Host       *debian.Host                  // what this machine says of mirrors, as others may see it; may be nil
	Base       map[string]string             // stage -> the one whose bootstrap it is based on, or ""
	Without    map[string][]string           // stage with a bootstrap -> suites that its mirror does not have
	Files      map[string]string             // SourceKey -> digest of an added file, "" if it does not exist and need not
	Paths      map[string]string             // SourceKey -> where the file is
	Contents   map[string][]files.AddedFile  // SourceKey -> what that is of, for history.Explain; may miss some
	Trees      []GitTree                     // the base layer's first
	Unresolved Unresolved                    // what the maps lack, and why
	// Environments are the variables, NAME=VALUE, of those base images whose
	// variables occur in paths, by ImageRef.
	Environments map[string][]string
}

// NewPlan orders the stages that the targets need and gives each step its key.
// It looks at nothing but its arguments. A mistake of the declaration is a
// finding.ListError.
func NewPlan(d *decl.Declaration, targets []string, facts Facts) (*Plan, error) {
	stages, err := Order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	stages, images, fs := FillIn(stages, facts)
	if len(fs) > 0 {
		return nil, &finding.ListError{Findings: fs}
	}
	for ref := range images {
		if facts.Unresolved[ImageOf(ref)] != "" {
			continue // then nothing is known of the steps based on it
		}
		return nil, fmt.Errorf("the variables of image %s were not looked up", ref)
	}
	p := &Plan{Version: Version, Targets: slices.Clone(targets)}
	b := builder{facts: facts, conf: newConf(d), keys: map[string]string{}}
	for _, s := range stages {
		j, err := b.job(s)
		if err != nil {
			return nil, err
		}
		p.Stages = append(p.Stages, *j)
	}
	return p, nil
}

// Job is the one of a stage, nil if it is not part of the plan.
func (p *Plan) Job(stage string) *Job {
	for i := range p.Stages {
		if p.Stages[i].ID == stage {
			return &p.Stages[i]
		}
	}
	return nil
}

// LeavesWithout are the stages that no other stage of the plan needs, as if the
// stages for which but is true were not part of it.
func (p *Plan) LeavesWithout(but func(stage string) bool) []string {
	needed := map[string]bool{}
	for _, j := range p.Stages {
		for _, n := range j.Needs {
			needed[n] = needed[n] || !but(j.ID)
		}
	}
	var out []string
	for _, j := range p.Stages {
		if !needed[j.ID] && !but(j.ID) {
			out = append(out, j.ID)
		}
	}
	return out
}

// MarkCached fills in which steps have a result that is stored.
func (p *Plan) MarkCached(stored func(key string) (bool, error)) error {
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			step := &p.Stages[i].Steps[k]
			if step.Key == "" {
				continue
			}
			var err error
			if step.Cached, err = stored(step.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Uncached is the plan with no step marked as cached.
func (p *Plan) Uncached() *Plan {
	out := *p
	out.Stages = slices.Clone(p.Stages)
	for i := range out.Stages {
		j := &out.Stages[i]
		j.Steps = slices.Clone(j.Steps)
		for k := range j.Steps {
			j.Steps[k].Cached = false
		}
	}
	return &out
}

// Complete reports whether every stage's last step is marked as cached.
func (p *Plan) Complete() bool {
	for _, j := range p.Stages {
		if n := len(j.Steps); n > 0 && !j.Steps[n-1].Cached {
			return false
		}
	}
	return true
}

// Steps is how many steps all stages have.
func (p *Plan) Steps() int {
	n := 0
	for _, j := range p.Stages {
		n += len(j.Steps)
	}
	return n
}

// Redacted is the plan without passwords, for showing.
func (p *Plan) Redacted() *Plan {
	out := *p
	out.Stages = slices.Clone(p.Stages)
	for i := range out.Stages {
		j := &out.Stages[i]
		j.Steps = slices.Clone(j.Steps)
		for k, s := range j.Steps {
			if do, ok := s.Action.(*Reposync); ok {
				clean := Reposync{Trees: do.Trees, From: slices.Clone(do.From)}
				for n := range clean.From {
					clean.From[n].URL = git.Redact(clean.From[n].URL)
				}
				j.Steps[k].Action = &clean
			}
		}
	}
	return &out
}

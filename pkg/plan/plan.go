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

// Plan is what a build would do, as data: encoding/json encodes and decodes it
// without loss, except for text that is not UTF-8.
type Plan struct {
	Version int      `json:"version"` // of the format, see Check
	Targets []string `json:"targets"`
	Stages  []Job    `json:"stages"` // each after those it needs
}

// Job is one stage of a Plan: everything needed to build the stage, except for the
// results of the stages that it needs.
type Job struct {
	ID      string   `json:"id"`
	Parent  string   `json:"parent,omitempty"` // stage that it is based on; "" if its first step gives it a root
	Needs   []string `json:"needs,omitzero"`   // the parent first
	Steps   []Step   `json:"steps"`
	Key     string   `json:"key"`               // key of the last step
	Arch    string   `json:"arch,omitempty"`    // Debian name of the host's architecture
	Epoch   *int64   `json:"epoch,omitempty"`   // SOURCE_DATE_EPOCH, seconds since 1970
	Network string   `json:"network,omitempty"` // of commands: host or none, "" for the default
	Caches  []Cache  `json:"caches,omitzero"`
	Apt     *Apt     `json:"apt,omitempty"` // apt's settings for commands; nil in stages that are not based on a bootstrap

	// GitLayers says that the declaration has git layers: bitbake is told the build
	// id.
	GitLayers bool `json:"git_layers,omitempty"`
}

// Cache is a directory that is kept between builds and never enters a layer.
type Cache struct {
	Path   string `json:"path"`             // absolute, inside the stage
	ID     string `json:"id,omitempty"`     // name under which stages share it; "" means the path
	Shared bool   `json:"shared,omitempty"` // several steps may use it at the same time
}

// Apt says which mirrors a stage was made from, and how they are reached.
type Apt struct {
	Bootstrap debian.Bootstrap `json:"bootstrap"`
	Without   []string         `json:"without,omitzero"` // suites that the mirror does not have
	Host      *debian.Host     `json:"host,omitempty"`   // mirror settings of the machine that planned, without passwords; nil: those of the machine that builds the stage
}

// Facts are the results of look-ups outside the declaration. Entries are missing
// from the maps only for stages that are not planned.
type Facts struct {
	Arch       string                        // Debian name of the host's architecture, for stages that name none
	Epoch      *int64                        // SOURCE_DATE_EPOCH, seconds since 1970
	Network    string                        // of commands: host or none, "" or auto for the default; stages may name another one
	Images     map[string]string             // ImageRef of a FROM -> the same image by digest
	Bootstraps map[string]string             // stage -> digest of the packages that its bootstrap was resolved to
	Packages   map[string]*debian.Resolution // by stage: what a bootstrap installs
	Wanted     map[string]debian.Bootstrap   // by stage: the bootstrap that was asked for
	Keyrings   map[string]string             // by stage: digest of the keyring that its bootstrap names; may lack entries
	Host       *debian.Host                  // mirror settings of this machine, without secrets; may be nil
	Base       map[string]string             // stage -> stage whose bootstrap it is based on, or ""
	Without    map[string][]string           // stage with a bootstrap -> suites that its mirror does not have
	Files      map[string]string             // SourceKey -> digest of an added file, "" if it is optional and does not exist
	Paths      map[string]string             // SourceKey -> path of the file
	Contents   map[string][]files.AddedFile  // SourceKey -> files that the digest covers, for history.Explain; may lack entries
	Trees      []GitTree                     // the base layer's first
	Unresolved Unresolved                    // what the maps lack, and why
	// Environments are the variables, NAME=VALUE, of the base images whose
	// variables occur in paths, by ImageRef.
	Environments map[string][]string
}

// NewPlan orders the stages that the targets need and gives each step its key. It
// reads nothing but its arguments. A mistake of the declaration is a
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
			continue // then nothing is known about the steps based on it
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

// Job returns the job of a stage, or nil if the stage is not part of the plan.
func (p *Plan) Job(stage string) *Job {
	for i := range p.Stages {
		if p.Stages[i].ID == stage {
			return &p.Stages[i]
		}
	}
	return nil
}

// LeavesWithout are the stages that no other stage of the plan needs, not counting
// the stages for which but is true.
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

// MarkCached marks the steps whose results are stored.
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

// Steps is the number of steps of all stages.
func (p *Plan) Steps() int {
	n := 0
	for _, j := range p.Stages {
		n += len(j.Steps)
	}
	return n
}

// Redacted is the plan without passwords, for display.
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

// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/carosio/carosbuild/pkg/decl"
)

// Plan is what a build would do, as data.
type Plan struct {
	Targets []string    `json:"targets"`
	Stages  []StagePlan `json:"stages"` // each after those it needs
}

// StagePlan is one stage of a Plan.
type StagePlan struct {
	ID    string     `json:"id"`
	Needs []string   `json:"needs,omitempty"` // the parent first
	Steps []StepPlan `json:"steps"`
	Key   string     `json:"key"` // of the last step

	Stage     *decl.Stage `json:"-"`
	GitLayers bool        `json:"-"` // the declaration has some
}

// StepPlan is one step of a stage. Its key covers everything that can change
// its result, the steps before it included.
type StepPlan struct {
	Kind   string `json:"kind"` // BOOTSTRAP, or the action's
	Text   string `json:"text"`
	Key    string `json:"key"`
	Layer  bool   `json:"layer"` // it may change files
	Cached bool   `json:"cached"`

	Trees []GitTree `json:"trees,omitempty"` // of REPOSYNC

	Action *decl.Action `json:"-"` // nil for BOOTSTRAP
	Conf   *Conf        `json:"-"` // of bitbake's actions
	Span   decl.Span    `json:"-"`
}

// BootstrapKind is the Kind of the step that a bootstrap element stands for.
const BootstrapKind = "BOOTSTRAP"

// Inputs are what was looked up outside of the declaration. Maps miss entries
// only for stages that are not planned.
type Inputs struct {
	Arch       string            // Debian name of the host's architecture: that of stages that name none
	Epoch      *int64            // SOURCE_DATE_EPOCH, seconds since 1970
	Network    string            // of RUN steps, "" for the usual one
	Images     map[string]string // imageRef of a FROM -> the same with its digest
	Bootstraps map[string]string // stage -> digest of the packages it was resolved to
	Files      map[string]string // SourceKey -> digest of an added file
	Trees      []GitTree         // the base layer's first
}

// SourceKey names a source of an ADD or COPY in Inputs.Files.
func SourceKey(stage, source string) string { return list([]string{stage, source}) }

// NewPlan orders the stages that the targets need and gives each step its key.
// It looks at nothing but its arguments.
func NewPlan(d *decl.Declaration, targets []string, in Inputs) (*Plan, error) {
	stages, err := order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	p := &Plan{Targets: slices.Clone(targets)}
	keys := map[string]string{}
	conf := newConf(d)
	for _, s := range stages {
		sp := StagePlan{ID: s.ID, Needs: needs(s), Stage: s, GitLayers: conf != nil}
		parent := keys[s.Prestage]
		if s.Bootstrap != nil {
			parent, err = sp.bootstrap(s, in)
		}
		for i := range s.Actions {
			if err != nil {
				return nil, err
			}
			parent, err = sp.step(s, &s.Actions[i], parent, keys, conf, in)
		}
		if err != nil {
			return nil, err
		}
		if parent == "" {
			return nil, fmt.Errorf("stage %s starts from nothing: it wants a prestage, a bootstrap or a FROM", s.ID)
		}
		sp.Key = parent
		keys[s.ID] = parent
		p.Stages = append(p.Stages, sp)
	}
	return p, nil
}

func epochField(in Inputs) string {
	if in.Epoch == nil {
		return ""
	}
	return strconv.FormatInt(*in.Epoch, 10)
}

func (sp *StagePlan) bootstrap(s *decl.Stage, in Inputs) (string, error) {
	digest, ok := in.Bootstraps[s.ID]
	if !ok {
		return "", fmt.Errorf("stage %s: its bootstrap was not resolved", s.ID)
	}
	b := s.Bootstrap
	arch := in.Arch
	if b.Arch != "" { // whichever host it is built on
		arch = b.Arch
	}
	k := key("", BootstrapKind, arch, epochField(in), digest, b.Suite, b.Arch, b.Variant, list(b.Components), list(b.Packages), b.Mirror, b.Snapshot)
	text := b.Suite
	if b.Variant != "" {
		text += " " + b.Variant
	}
	sp.Steps = append(sp.Steps, StepPlan{Kind: BootstrapKind, Text: text, Key: k, Layer: true, Span: b.Span})
	return k, nil
}

// step appends the step of an action and returns its key.
func (sp *StagePlan) step(s *decl.Stage, a *decl.Action, parent string, stages map[string]string, conf *Conf, in Inputs) (string, error) {
	fields := []string{parent, string(a.Kind)}
	layer := false
	var trees []GitTree
	switch a.Kind {
	case decl.From:
		pinned, ok := in.Images[imageRef(s, a.Image)]
		if !ok {
			return "", fmt.Errorf("stage %s: image %s was not resolved", s.ID, a.Image)
		}
		fields = append(fields, digestOf(pinned), in.Arch, epochField(in))
	case decl.Run:
		layer = true
		fields = append(fields, a.Text, list(a.Argv), caches(s), in.Network)
	case decl.Add, decl.Copy:
		layer = true
		digests := make([]string, len(a.Sources))
		for i, src := range a.Sources {
			if a.FromStage != "" {
				digests[i] = src
				continue
			}
			d, ok := in.Files[SourceKey(s.ID, src)]
			if !ok {
				return "", fmt.Errorf("stage %s: source %s was not looked up", s.ID, src)
			}
			digests[i] = d
		}
		fields = append(fields, list(digests), a.Dest, a.Chown, a.Chmod, stages[a.FromStage], sourceNames(a))
	case decl.Env, decl.Workdir, decl.User:
		layer = a.Kind == decl.Workdir // it makes the directory
		env, err := json.Marshal(a.Env)
		if err != nil {
			return "", fmt.Errorf("stage %s: %w", s.ID, err)
		}
		fields = append(fields, a.Text, a.Dest, string(env))
	case decl.Reposync:
		layer, trees = true, in.Trees
		if len(trees) == 0 {
			return "", fmt.Errorf("stage %s: the trees of REPOSYNC were not resolved", s.ID)
		}
		for _, t := range trees {
			fields = append(fields, t.Path, t.URL, t.Commit)
		}
	default: // bitbake's
		if conf == nil {
			return "", fmt.Errorf("stage %s: %s without a base layer", s.ID, a.Kind)
		}
		layer = true
		switch a.Kind {
		case decl.CreateBBLayers:
			fields = append(fields, conf.bbLayers())
		case decl.CreateLocalConf:
			fields = append(fields, conf.localConf())
		case decl.Bitbake:
			fields = append(fields, conf.bbLayers(), conf.localConf(), a.Command, list(a.Targets), a.User, caches(s), in.Network)
		default:
			return "", fmt.Errorf("stage %s: action %s is not known", s.ID, a.Kind)
		}
	}
	k := key(fields...)
	sp.Steps = append(sp.Steps, StepPlan{Kind: string(a.Kind), Text: a.Text, Key: k, Layer: layer, Trees: trees, Action: a, Conf: conf, Span: a.Span})
	return k, nil
}

// sourceNames are the last components of the sources: they decide on names
// below a destination directory.
func sourceNames(a *decl.Action) string {
	names := make([]string, len(a.Sources))
	for i, s := range a.Sources {
		names[i] = baseName(s)
	}
	return list(names)
}

// caches is the key field of the stage's cache directories: their places, not
// their contents, since a cache must not change a result.
func caches(s *decl.Stage) string {
	var items []string
	for _, c := range s.Caches {
		items = append(items, c.Path, c.ID)
	}
	return list(items)
}

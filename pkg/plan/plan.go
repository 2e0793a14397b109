// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/source/files"
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
	Key    string `json:"key"`   // "" where Unresolved, here or in a step before, says why
	Layer  bool   `json:"layer"` // it may change files
	Cached bool   `json:"cached"`
	Why    string `json:"why,omitempty"` // it runs, see Explain

	Unresolved string `json:"unresolved,omitempty"` // why something that it names could not be looked up

	Ingredients []Ingredient `json:"-"` // what Key covers, but for the steps before

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
	Arch       string                       // Debian name of the host's architecture: that of stages that name none
	Epoch      *int64                       // SOURCE_DATE_EPOCH, seconds since 1970
	Network    string                       // of RUN steps, "" for the usual one
	Images     map[string]string            // imageRef of a FROM -> the same with its digest
	Bootstraps map[string]string            // stage -> digest of the packages it was resolved to
	Files      map[string]string            // SourceKey -> digest of an added file
	Contents   map[string][]files.AddedFile // SourceKey -> what that is of, for Explain; may miss some
	Trees      []GitTree                    // the base layer's first
	Unresolved Unresolved                   // what the maps lack, and why
	// Environments are the variables, NAME=VALUE, of those base images whose
	// variables occur in paths, by imageRef.
	Environments map[string][]string
}

// SourceKey names a source of an ADD or COPY in Inputs.Files.
func SourceKey(stage, source string) string { return key.List([]string{stage, source}) }

// NewPlan orders the stages that the targets need and gives each step its key.
// It looks at nothing but its arguments.
func NewPlan(d *decl.Declaration, targets []string, in Inputs) (*Plan, error) {
	stages, err := Order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	stages, images, fs := FillIn(stages, in)
	if len(fs) > 0 {
		return nil, &decl.FindingsError{Findings: fs}
	}
	for ref := range images {
		if in.Unresolved[ImageOf(ref)] != "" {
			continue // then nothing is known of the steps on it
		}
		return nil, fmt.Errorf("the variables of image %s were not looked up", ref)
	}
	p := &Plan{Targets: slices.Clone(targets)}
	keys := map[string]string{}
	conf := newConf(d)
	for _, s := range stages {
		sp := StagePlan{ID: s.ID, Needs: Needs(s), Stage: s, GitLayers: conf != nil}
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
		if sp.Key = parent; parent == unknownKey {
			sp.Key = ""
		}
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
	reason := in.Unresolved[BootstrapOf(s.ID)]
	if !ok && reason == "" {
		return "", fmt.Errorf("stage %s: its bootstrap was not resolved", s.ID)
	}
	b := s.Bootstrap
	arch := in.Arch
	if b.Arch != "" { // whichever host it is built on
		arch = b.Arch
	}
	g := ingredients{fields: []string{"", BootstrapKind}}
	g.add("architecture", arch)
	g.add("SOURCE_DATE_EPOCH", epochField(in))
	g.add("packages of the mirror", digest)
	g.add("suite", b.Suite)
	g.add("architecture", b.Arch)
	g.add("variant", b.Variant)
	g.list(prefixed("component ", b.Components), b.Components)
	g.list(prefixed("package ", b.Packages), b.Packages)
	g.add("mirror", b.Mirror)
	g.add("snapshot", b.Snapshot)
	k := key.Of(g.fields...)
	text := b.Suite
	if b.Variant != "" {
		text += " " + b.Variant
	}
	return sp.finish(StepPlan{Kind: BootstrapKind, Text: text, Layer: true, Span: b.Span, Ingredients: g.named}, k, reason), nil
}

// step appends the step of an action and returns its key.
func (sp *StagePlan) step(s *decl.Stage, a *decl.Action, parent string, stages map[string]string, conf *Conf, in Inputs) (string, error) {
	g := ingredients{fields: []string{parent, string(a.Kind)}}
	layer, reason := false, ""
	var trees []GitTree
	switch a.Kind {
	case decl.From:
		pinned, ok := in.Images[ImageRef(s, a.Image)]
		reason = in.Unresolved[ImageOf(ImageRef(s, a.Image))]
		if !ok && reason == "" {
			return "", fmt.Errorf("stage %s: image %s was not resolved", s.ID, a.Image)
		}
		g.add("image "+a.Image, DigestOf(pinned))
		g.add("architecture", in.Arch)
		g.add("SOURCE_DATE_EPOCH", epochField(in))
	case decl.Run:
		layer = true
		g.add("command", a.Text)
		g.add("command", key.List(a.Argv))
		g.add("caches", caches(s))
		g.add("network", in.Network)
	case decl.Add, decl.Copy:
		layer = true
		if err := g.sources(s, a, in); err != nil {
			return "", err
		}
		g.add("destination", a.Dest)
		g.add("owner", a.Chown)
		g.add("mode", a.Chmod)
		g.add("stage "+a.FromStage, stages[a.FromStage])
		g.add("names of the sources", sourceNames(a))
	case decl.Env, decl.Workdir, decl.User:
		layer = a.Kind == decl.Workdir // it makes the directory
		env, err := json.Marshal(a.Env)
		if err != nil {
			return "", fmt.Errorf("stage %s: %w", s.ID, err)
		}
		g.add("text", a.Text)
		g.add("text", a.Dest)
		g.add("text", string(env))
	case decl.Reposync:
		layer, trees, reason = true, in.Trees, in.Unresolved[GitTrees]
		if len(trees) == 0 {
			return "", fmt.Errorf("stage %s: the trees of REPOSYNC were not resolved", s.ID)
		}
		for _, t := range trees {
			g.fields = append(g.fields, t.Path, t.URL, t.Commit)
			g.name("git tree "+t.Path, t.URL+" "+t.Commit)
		}
	default: // bitbake's
		if conf == nil {
			return "", fmt.Errorf("stage %s: %s without a base layer", s.ID, a.Kind)
		}
		layer = true
		if err := g.bitbake(s, a, conf, in); err != nil {
			return "", err
		}
	}
	step := StepPlan{Kind: string(a.Kind), Text: a.Text, Layer: layer, Trees: trees, Action: a, Conf: conf, Span: a.Span, Ingredients: g.named}
	return sp.finish(step, key.Of(g.fields...), reason, parent, stages[a.FromStage]), nil
}

// bitbake adds what an action of bitbake's takes.
func (g *ingredients) bitbake(s *decl.Stage, a *decl.Action, conf *Conf, in Inputs) error {
	switch a.Kind {
	case decl.CreateBBLayers:
		g.add("bblayers.conf", conf.bbLayers())
	case decl.CreateLocalConf:
		g.add("local.conf", conf.localConf())
	case decl.Bitbake:
		g.add("bblayers.conf", conf.bbLayers())
		g.add("local.conf", conf.localConf())
		g.add("command", a.Command)
		g.list(prefixed("target ", a.Targets), a.Targets)
		g.add("user", a.User)
		g.add("caches", caches(s))
		g.add("network", in.Network)
	default:
		return fmt.Errorf("stage %s: action %s is not known", s.ID, a.Kind)
	}
	return nil
}

// filePrefix begins the names of ingredients that are added files.
const filePrefix = "file "

// sources adds the digests of what an ADD or COPY takes, or its names in another
// stage.
func (g *ingredients) sources(s *decl.Stage, a *decl.Action, in Inputs) error {
	names, digests := make([]string, len(a.Sources)), make([]string, len(a.Sources))
	for i, src := range a.Sources {
		if a.FromStage != "" {
			digests[i] = src // named by sourceNames
			continue
		}
		d, ok := in.Files[SourceKey(s.ID, src)]
		if !ok {
			return fmt.Errorf("stage %s: source %s was not looked up", s.ID, src)
		}
		names[i], digests[i] = filePrefix+src, d
	}
	g.list(names, digests)
	for i := range g.named {
		if src, ok := strings.CutPrefix(g.named[i].Name, filePrefix); ok {
			g.named[i].Files = in.Contents[SourceKey(s.ID, src)]
		}
	}
	return nil
}

// sourceNames are the last components of the sources: they decide on names
// below a destination directory.
func sourceNames(a *decl.Action) string {
	names := make([]string, len(a.Sources))
	for i, s := range a.Sources {
		names[i] = files.BaseName(s)
	}
	return key.List(names)
}

// caches is the key field of the stage's cache directories: their places, not
// their contents, since a cache must not change a result.
func caches(s *decl.Stage) string {
	var items []string
	for _, c := range s.Caches {
		items = append(items, c.Path, c.ID)
	}
	return key.List(items)
}

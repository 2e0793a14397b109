// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// SourceKey names a source of an ADD or COPY in Facts.
func SourceKey(stage, source string) string { return key.List([]string{stage, source}) }

// builder makes the jobs of a plan, in order.
type builder struct {
	facts Facts
	conf  *Conf             // nil if there are no git layers
	keys  map[string]string // of stages
}

// job plans a stage whose variables are filled in.
func (b *builder) job(s *decl.Stage) (*Job, error) {
	f := b.facts
	j := &Job{ID: s.ID, Parent: s.Prestage, Needs: Needs(s), Steps: []Step{}, Arch: f.Arch, Epoch: f.Epoch, Network: b.network(s), GitLayers: b.conf != nil}
	for _, c := range s.Caches {
		j.Caches = append(j.Caches, Cache{Path: c.Path, ID: c.ID, Shared: c.Shared})
	}
	if base := f.Base[s.ID]; base != "" {
		j.Apt = &Apt{Bootstrap: f.Wanted[base], Without: f.Without[base], Host: f.Host}
	}
	parent := b.keys[s.Prestage]
	if s.Bootstrap != nil {
		var err error
		if parent, err = b.bootstrap(j, s); err != nil {
			return nil, err
		}
	}
	for _, a := range s.Actions {
		var err error
		if parent, err = b.step(j, s, a, parent); err != nil {
			return nil, err
		}
	}
	if parent == "" {
		return nil, fmt.Errorf("stage %s starts from nothing: it needs a prestage, a bootstrap or a FROM", s.ID)
	}
	if j.Key = parent; parent == unknownKey {
		j.Key = ""
	}
	b.keys[s.ID] = parent
	return j, nil
}

func (f *Facts) epochField() string {
	if f.Epoch == nil {
		return ""
	}
	return strconv.FormatInt(*f.Epoch, 10)
}

// bootstrap appends the step of a bootstrap element and returns its key.
func (b *builder) bootstrap(j *Job, s *decl.Stage) (string, error) {
	digest, ok := b.facts.Bootstraps[s.ID]
	reason := b.facts.Unresolved[BootstrapOf(s.ID)]
	if !ok && reason == "" {
		return "", fmt.Errorf("stage %s: its bootstrap was not resolved", s.ID)
	}
	e := s.Bootstrap
	arch := b.facts.Arch
	if e.Arch != "" { // the same on every host
		arch = e.Arch
	}
	g := ingredients{fields: []string{"", BootstrapKind}}
	g.add("architecture", arch)
	g.add("SOURCE_DATE_EPOCH", b.facts.epochField())
	g.add("packages of the mirror", digest)
	g.add("suite", e.Suite)
	g.add("architecture", e.Arch)
	g.add("variant", e.Variant)
	g.list(prefixed("component ", e.Components), e.Components)
	g.list(prefixed("package ", e.Packages), e.Packages)
	g.add("mirror", e.Mirror)
	g.add("snapshot", e.Snapshot)
	text := e.Suite
	if e.Variant != "" {
		text += " " + e.Variant
	}
	do := &Bootstrap{Wanted: b.facts.Wanted[s.ID], Packages: b.facts.Packages[s.ID], Keyring: b.facts.Keyrings[s.ID]}
	return j.add(Step{Kind: BootstrapKind, Text: text, Layer: true, Span: e.Span, Action: do}, g, reason), nil
}

// step appends the step of an action and returns its key.
func (b *builder) step(j *Job, s *decl.Stage, a decl.Action, parent string) (string, error) {
	g := ingredients{fields: []string{parent, string(a.Kind())}}
	written := a.Written()
	step := Step{Kind: string(a.Kind()), Text: written.Text, Layer: true, Span: written.Span}
	reason := ""
	var err error
	switch do := a.(type) {
	case *decl.From:
		step.Layer = false
		step.Action, reason, err = b.from(&g, s, do)
	case *decl.Run:
		step.Action = b.run(&g, s, do)
	case *decl.Copy:
		step.Action, err = b.copy(&g, s, do)
	case *decl.Env:
		step.Layer = false
		step.Action, err = env(&g, do)
	case *decl.Workdir: // has a layer, since it makes the directory
		step.Action, err = &Workdir{Dir: do.Dir}, setting(&g, do.Text, do.Dir, nil)
	case *decl.User:
		step.Layer = false
		step.Action, err = &User{Name: do.Name}, setting(&g, do.Text, do.Name, nil)
	case *decl.Reposync:
		reason = b.facts.Unresolved[GitTrees]
		step.Action, err = b.reposync(&g)
	default:
		step.Action, err = b.bitbake(&g, s, a)
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", s.ID, err)
	}
	return j.add(step, g, reason, parent, b.keys[decl.CopiesFrom(a)]), nil
}

func (b *builder) from(g *ingredients, s *decl.Stage, a *decl.From) (do Action, reason string, err error) {
	ref := ImageRef(s, a.Image)
	pinned, ok := b.facts.Images[ref]
	reason = b.facts.Unresolved[ImageOf(ref)]
	if !ok && reason == "" {
		return nil, "", fmt.Errorf("image %s was not resolved", a.Image)
	}
	g.add("image "+a.Image, DigestOf(pinned))
	g.add("architecture", b.facts.Arch)
	g.add("SOURCE_DATE_EPOCH", b.facts.epochField())
	return &From{Image: ref, Pinned: pinned, Arch: b.facts.Arch}, reason, nil
}

func (b *builder) run(g *ingredients, s *decl.Stage, a *decl.Run) Action {
	g.add("command", a.Text)
	g.add("command", key.List(a.Argv))
	g.add("caches", caches(s))
	g.add("network", keyedNetwork(b.network(s)))
	if a.Argv != nil {
		return &Run{Args: a.Argv}
	}
	return &Run{Args: []string{"/bin/sh", "-c", a.Text}}
}

// filePrefix begins the names of ingredients that are added files.
const filePrefix = "file "

func (b *builder) copy(g *ingredients, s *decl.Stage, a *decl.Copy) (Action, error) {
	do := &Copy{Stage: a.FromStage, Dest: a.Dest, Owner: a.Chown, Mode: a.Chmod, Optional: a.Optional}
	names, digests := make([]string, len(a.Sources)), make([]string, len(a.Sources))
	for i, src := range a.Sources {
		source := Source{Name: src}
		if digests[i] = src; a.FromStage == "" {
			id := SourceKey(s.ID, src)
			digest, ok := b.facts.Files[id]
			if !ok {
				return nil, fmt.Errorf("source %s was not looked up", src)
			}
			names[i], digests[i] = filePrefix+src, digest
			source.Path, source.Digest = b.facts.Paths[id], digest
		}
		do.Sources = append(do.Sources, source)
	}
	g.list(names, digests) // those of another stage are named below
	for i := range g.named {
		if src, ok := strings.CutPrefix(g.named[i].Name, filePrefix); ok {
			g.named[i].Files = b.facts.Contents[SourceKey(s.ID, src)]
		}
	}
	g.add("destination", a.Dest)
	g.add("owner", a.Chown)
	g.add("mode", a.Chmod)
	g.add("stage "+a.FromStage, b.keys[a.FromStage])
	g.add("names of the sources", sourceNames(a))
	return do, nil
}

func env(g *ingredients, a *decl.Env) (Action, error) {
	do := &Env{}
	for _, v := range a.Vars {
		do.Variables = append(do.Variables, Variable(v))
	}
	return do, setting(g, a.Text, "", a.Vars)
}

// setting is the key field of an action that changes the following steps: these
// actions share one list of fields, of which each sets its own.
func setting(g *ingredients, text, name string, vars []decl.EnvVar) error {
	env, err := json.Marshal(vars)
	if err != nil {
		return err
	}
	g.add("text", text)
	g.add("text", name)
	g.add("text", string(env))
	return nil
}

func (b *builder) reposync(g *ingredients) (Action, error) {
	if len(b.facts.Trees) == 0 {
		return nil, fmt.Errorf("the trees of REPOSYNC were not resolved")
	}
	do := &Reposync{}
	for _, t := range b.facts.Trees {
		do.From = append(do.From, t.From)
		t.From = git.Pinned{} // it would be lost in JSON
		do.Trees = append(do.Trees, t)
		g.fields = append(g.fields, t.Path, t.URL, t.Commit)
		g.name("git tree "+t.Path, t.URL+" "+t.Commit)
	}
	return do, nil
}

func (b *builder) bitbake(g *ingredients, s *decl.Stage, a decl.Action) (Action, error) {
	if b.conf == nil {
		return nil, fmt.Errorf("%s without a base layer", a.Kind())
	}
	switch do := a.(type) {
	case *decl.CreateBBLayers:
		g.add("bblayers.conf", b.conf.bbLayers())
		return &BBLayers{Conf: b.conf}, nil
	case *decl.CreateLocalConf:
		g.add("local.conf", b.conf.localConf())
		return &LocalConf{Conf: b.conf}, nil
	case *decl.Bitbake:
		g.add("bblayers.conf", b.conf.bbLayers())
		g.add("local.conf", b.conf.localConf())
		g.add("command", do.Command)
		g.list(prefixed("target ", do.Targets), do.Targets)
		g.add("user", do.User)
		g.add("caches", caches(s))
		g.add("network", keyedNetwork(b.network(s)))
		return &Bitbake{Conf: b.conf, Command: do.Command, Targets: do.Targets, User: do.User}, nil
	}
	return nil, fmt.Errorf("action %s is not known", a.Kind())
}

// sourceNames are the last components of the sources: they determine names below a
// destination directory.
func sourceNames(a *decl.Copy) string {
	names := make([]string, len(a.Sources))
	for i, s := range a.Sources {
		names[i] = files.BaseName(s)
	}
	return key.List(names)
}

// caches is the key field of the stage's cache directories: their paths, not their
// contents, since a cache must not change a result.
func caches(s *decl.Stage) string {
	var items []string
	for _, c := range s.Caches {
		items = append(items, c.Path, c.ID)
	}
	return key.List(items)
}

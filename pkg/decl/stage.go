// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// stageBuilder makes one Stage.
type stageBuilder struct {
	*builder
	n     *xmltext.Node
	stage *Stage
	refs  []ref
	from  *xmltext.Place // of the FROM action's argument
}

func (b *builder) addStage(n *xmltext.Node) {
	id := n.Value("id")
	if id == "" {
		id = b.nameless()
	}
	s := &stageBuilder{builder: b, n: n, stage: &Stage{
		ID: id, Dirs: b.dirs, Network: n.Value("network"), Actions: make([]Action, 0, len(n.Kids)), Span: spanOf(n, "id"),
	}}
	for _, k := range n.Kids {
		switch k.Name {
		case "prestage":
			s.prestage(k)
		case "bootstrap":
			s.bootstrap(k)
		case "cache":
			s.cache(k)
		default:
			s.step(k)
		}
	}
	s.checkStart()
	if n.Value("id") == "" {
		b.stages[id] = named{len(b.decl.Stages), n.Tag(), s.refs}
		b.decl.Stages = append(b.decl.Stages, s.stage)
		return
	}
	if i, ok := b.declare(b.stages, "stage", n, "id", len(b.decl.Stages), s.refs); ok {
		b.decl.Stages = put(b.decl.Stages, i, s.stage)
	}
}

// nameless returns the id of a stage without one: its number among those, so that
// it is the same every time.
func (b *builder) nameless() string {
	for {
		b.unnamed++
		id := fmt.Sprintf("auto_stagename_%d", b.unnamed)
		if _, taken := b.stages[id]; !taken {
			return id
		}
	}
}

func (s *stageBuilder) prestage(k *xmltext.Node) {
	t := k.Text().Trim()
	if t.S == "" || k.Damaged || s.stage.Prestage != "" {
		return
	}
	at := t.Place(0, len(t.S))
	if fl := checkID(t.S); fl != nil {
		s.rep.Errorf(t.Place(fl.from, max(fl.to, fl.from+1)), fl.hint, "prestage %s %s", finding.QuoteValue(t.S), fl.text)
		return
	}
	s.stage.Prestage, s.stage.PrestageSpan = t.S, at.Span()
	s.refs = append(s.refs, ref{toStage, "stage " + finding.QuoteValue(s.stage.ID) + " has the prestage", t.S, at, nil})
}

func (s *stageBuilder) bootstrap(k *xmltext.Node) {
	if s.stage.Bootstrap != nil {
		return
	}
	variant := k.Value("variant")
	if variant == "" {
		variant = "minbase"
	}
	s.stage.Bootstrap = &Bootstrap{
		Suite: k.Value("suite"), Arch: k.Value("arch"), Variant: variant,
		Components: strings.Fields(k.Value("components")), Packages: strings.Fields(k.Value("packages")),
		Keyring: k.Value("keyring"), Mirror: k.Value("mirror"), SecurityMirror: k.Value("security-mirror"),
		Snapshot: k.Value("snapshot"), Span: k.Element(), Places: placesOf(k),
	}
}

func (s *stageBuilder) cache(k *xmltext.Node) {
	c := Cache{Path: k.Value("path"), ID: k.Value("id"), Shared: k.Value("sharing") == "shared", Span: spanOf(k, "path")}
	for _, old := range s.stage.Caches {
		if old.Path == c.Path && c.Path != "" {
			f := s.rep.Errorf(k.Attr("path").In, "", "a second cache at %s in one stage", finding.QuoteValue(c.Path))
			f.Notes = append(f.Notes, finding.Note{Span: old.Span, Text: "the first one is here"})
			return
		}
	}
	s.stage.Caches = append(s.stage.Caches, c)
}

// step adds an action, which may be an element of its own.
func (s *stageBuilder) step(k *xmltext.Node) {
	t := k.Text()
	if k.Damaged || k.Open {
		return
	}
	arg, at := t.Trim(), k.Tag()
	if arg.S != "" {
		at = arg.Place(0, len(arg.S))
	}
	switch {
	case k.Name == "reposync":
		s.add(&Reposync{Argument{arg.S, at.Span()}}, k.Tag())
	case arg.S == "": // the checker has reported it
	case k.Name == "action":
		s.action(arg)
	case k.Name == "bitbake_target":
		if i := strings.IndexAny(t.S, "\"\\`$"); i >= 0 {
			s.rep.Errorf(t.Place(i, i+1), "name the targets only", "the character %c cannot be in a bitbake target", t.S[i])
		}
		s.add(&Bitbake{
			Argument: Argument{arg.S, at.Span()}, Targets: strings.Fields(t.S), Command: k.Value("command"), User: k.Value("user"),
		}, k.Tag())
	}
}

// add appends an action.
func (s *stageBuilder) add(a Action, at xmltext.Place) {
	switch a.(type) {
	case *Reposync, *CreateBBLayers, *CreateLocalConf, *Bitbake:
		s.refs = append(s.refs, ref{kind: toBase, who: "stage " + finding.QuoteValue(s.stage.ID) + " works with git layers", at: at})
	}
	s.stage.Actions = append(s.stage.Actions, a)
}

// checkStart reports a stage that is based on nothing, or on two things.
func (s *stageBuilder) checkStart() {
	if s.n.Damaged || s.n.Open {
		return
	}
	var pre, boot *xmltext.Node
	for _, k := range s.n.Kids {
		switch {
		case k.Damaged || k.Open:
			return // the part may have said so
		case k.Name == "prestage" && pre == nil:
			pre = k
		case k.Name == "bootstrap" && boot == nil:
			boot = k
		}
	}
	id := finding.QuoteValue(s.stage.ID)
	const one = "a stage starts from one of <prestage>, <bootstrap> and FROM"
	switch {
	case pre == nil && boot == nil && s.from == nil:
		s.rep.Errorf(s.n.Tag(), "give it a <prestage>, a <bootstrap> or a FROM action", "stage %s starts from nothing", id)
	case pre != nil && s.from != nil:
		s.rep.Errorf(*s.from, one, "stage %s has a prestage and a FROM", id).Note(pre.Tag(), "the prestage is here")
	case boot != nil && s.from != nil:
		s.rep.Errorf(*s.from, one, "stage %s has a bootstrap and a FROM", id).Note(boot.Tag(), "the bootstrap is here")
	case pre != nil && boot != nil:
		s.rep.Errorf(boot.Tag(), one, "stage %s has a prestage and a bootstrap", id).Note(pre.Tag(), "the prestage is here")
	}
}

// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// stageBuilder makes one Stage.
type stageBuilder struct {
	*builder
	n     *node
	stage *Stage
	refs  []ref
	from  *place // of the FROM action's argument
}

func (b *builder) addStage(n *node) {
	id := n.value("id")
	if id == "" {
		id = b.nameless()
	}
	s := &stageBuilder{builder: b, n: n, stage: &Stage{
		ID: id, Dirs: b.dirs, Network: n.value("network"), Actions: make([]Action, 0, len(n.kids)), Span: spanOf(n, "id"),
	}}
	for _, k := range n.kids {
		switch k.name {
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
	if n.value("id") == "" {
		b.stages[id] = named{len(b.decl.Stages), n.tag(), s.refs}
		b.decl.Stages = append(b.decl.Stages, s.stage)
		return
	}
	if i, ok := b.declare(b.stages, "stage", n, "id", len(b.decl.Stages), s.refs); ok {
		b.decl.Stages = put(b.decl.Stages, i, s.stage)
	}
}

// nameless is the id of a stage that has none: by its number among those, so
// that it is the same every time.
func (b *builder) nameless() string {
	for {
		b.unnamed++
		id := fmt.Sprintf("auto_stagename_%d", b.unnamed)
		if _, taken := b.stages[id]; !taken {
			return id
		}
	}
}

func (s *stageBuilder) prestage(k *node) {
	t := k.text().trim()
	if t.s == "" || k.damaged || s.stage.Prestage != "" {
		return
	}
	at := t.place(0, len(t.s))
	if fl := checkID(t.s); fl != nil {
		s.rep.errorf(t.place(fl.from, max(fl.to, fl.from+1)), fl.hint, "prestage %s %s", finding.QuoteValue(t.s), fl.text)
		return
	}
	s.stage.Prestage, s.stage.PrestageSpan = t.s, at.span()
	s.refs = append(s.refs, ref{toStage, "stage " + finding.QuoteValue(s.stage.ID) + " has the prestage", t.s, at, nil})
}

func (s *stageBuilder) bootstrap(k *node) {
	if s.stage.Bootstrap != nil {
		return
	}
	variant := k.value("variant")
	if variant == "" {
		variant = "minbase"
	}
	s.stage.Bootstrap = &Bootstrap{
		Suite: k.value("suite"), Arch: k.value("arch"), Variant: variant,
		Components: strings.Fields(k.value("components")), Packages: strings.Fields(k.value("packages")),
		Keyring: k.value("keyring"), Mirror: k.value("mirror"), SecurityMirror: k.value("security-mirror"),
		Snapshot: k.value("snapshot"), Span: k.element(), Places: placesOf(k),
	}
}

func (s *stageBuilder) cache(k *node) {
	c := Cache{Path: k.value("path"), ID: k.value("id"), Shared: k.value("sharing") == "shared", Span: spanOf(k, "path")}
	for _, old := range s.stage.Caches {
		if old.Path == c.Path && c.Path != "" {
			f := s.rep.errorf(k.attr("path").in, "", "a second cache at %s in one stage", finding.QuoteValue(c.Path))
			f.Notes = append(f.Notes, finding.Note{Span: old.Span, Text: "the first one is here"})
			return
		}
	}
	s.stage.Caches = append(s.stage.Caches, c)
}

// step adds an action, which may be its own element.
func (s *stageBuilder) step(k *node) {
	t := k.text()
	if k.damaged || k.open {
		return
	}
	arg, at := t.trim(), k.tag()
	if arg.s != "" {
		at = arg.place(0, len(arg.s))
	}
	switch {
	case k.name == "reposync":
		s.add(&Reposync{Argument{arg.s, at.span()}}, k.tag())
	case arg.s == "": // the checker has said so
	case k.name == "action":
		s.action(arg)
	case k.name == "bitbake_target":
		if i := strings.IndexAny(t.s, "\"\\`$"); i >= 0 {
			s.rep.errorf(t.place(i, i+1), "name the targets only", "the character %c cannot be in a bitbake target", t.s[i])
		}
		s.add(&Bitbake{
			Argument: Argument{arg.s, at.span()}, Targets: strings.Fields(t.s), Command: k.value("command"), User: k.value("user"),
		}, k.tag())
	}
}

// add appends an action.
func (s *stageBuilder) add(a Action, at place) {
	switch a.(type) {
	case *Reposync, *CreateBBLayers, *CreateLocalConf, *Bitbake:
		s.refs = append(s.refs, ref{kind: toBase, who: "stage " + finding.QuoteValue(s.stage.ID) + " works with git layers", at: at})
	}
	s.stage.Actions = append(s.stage.Actions, a)
}

// checkStart reports a stage that starts from nothing, or from two things.
func (s *stageBuilder) checkStart() {
	if s.n.damaged || s.n.open {
		return
	}
	var pre, boot *node
	for _, k := range s.n.kids {
		switch {
		case k.damaged || k.open:
			return // it may have said so
		case k.name == "prestage" && pre == nil:
			pre = k
		case k.name == "bootstrap" && boot == nil:
			boot = k
		}
	}
	id := finding.QuoteValue(s.stage.ID)
	const one = "a stage starts from one of <prestage>, <bootstrap> and FROM"
	switch {
	case pre == nil && boot == nil && s.from == nil:
		s.rep.errorf(s.n.tag(), "give it a <prestage>, a <bootstrap> or a FROM action", "stage %s starts from nothing", id)
	case pre != nil && s.from != nil:
		s.rep.errorf(*s.from, one, "stage %s has a prestage and a FROM", id).note(pre.tag(), "the prestage is here")
	case boot != nil && s.from != nil:
		s.rep.errorf(*s.from, one, "stage %s has a bootstrap and a FROM", id).note(boot.tag(), "the bootstrap is here")
	case pre != nil && boot != nil:
		s.rep.errorf(boot.tag(), one, "stage %s has a prestage and a bootstrap", id).note(pre.tag(), "the prestage is here")
	}
}

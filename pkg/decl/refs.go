// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// checkReferences reports names that no file declares.
func (b *builder) checkReferences() {
	var refs []ref
	for _, known := range []map[string]named{b.layers, b.stages, b.disks} {
		for _, k := range sorted(known) {
			refs = append(refs, known[k].refs...)
		}
	}
	if b.base != nil {
		refs = append(refs, b.base.refs...)
	}
	refs = append(refs, b.results...)
	slices.SortStableFunc(refs, func(x, y ref) int { return x.at.Compare(y.at) })
	missedBase := false
	for _, r := range refs {
		if b.rep.Full() {
			b.rep.Drop()
			return
		}
		switch r.kind {
		case toStage:
			b.checkRef(r, b.stages, "<buildstage>")
		case toRemote:
			b.checkRef(r, b.remotes, "<remote>")
		case toBase:
			if b.base == nil && !missedBase {
				missedBase = true
				b.rep.Errorf(r.at, "", "%s, but no <baselayer> is declared", r.who)
			}
		}
	}
}

// maxKnown is the largest number of names that are searched for corrections.
const maxKnown = 2000

func (b *builder) checkRef(r ref, known map[string]named, element string) {
	if _, ok := known[r.name]; ok {
		return
	}
	hint := ""
	if len(known) <= maxKnown {
		hint = words.DidYouMean(r.name, append(sorted(known), r.others...))
	}
	f := b.rep.Errorf(r.at, hint, "%s %s, which no %s declares", r.who, finding.QuoteValue(r.name), element)
	if r.kind == toRemote && len(known) > 0 {
		f.Notes = append(f.Notes, finding.Note{Span: b.decl.Remotes[0].Span, Text: "remotes are declared here"})
	}
}

// state is how far the search for cycles has got with a stage.
type state int

const (
	unseen state = iota
	open         // on the path that the search is following
	done
)

// checkCycles reports stages that need themselves.
func (b *builder) checkCycles() {
	states := map[string]state{}
	var path []step
	var visit func(id string)
	visit = func(id string) {
		states[id] = open
		for _, r := range b.stages[id].refs {
			if _, ok := b.stages[r.name]; !ok || r.kind != toStage {
				continue
			}
			path = append(path, step{id, r})
			switch states[r.name] {
			case unseen:
				visit(r.name)
			case open:
				b.cycle(path, r.name)
			}
			path = path[:len(path)-1]
		}
		states[id] = done
	}
	for _, s := range b.decl.Stages {
		if states[s.ID] == unseen {
			visit(s.ID)
		}
	}
}

// step says that a stage needs another one, and where the declaration says so.
type step struct {
	id string
	to ref
}

// cycle reports the end of a path, from the stage on to which the path has
// returned.
func (b *builder) cycle(path []step, back string) {
	i := slices.IndexFunc(path, func(s step) bool { return s.id == back })
	path = path[i:]
	if len(path) == 1 {
		b.rep.Errorf(path[0].to.at, "", "stage %s needs itself", finding.QuoteValue(back))
		return
	}
	others := "another one"
	if len(path) > 2 {
		others = fmt.Sprintf("%d others", len(path)-1)
	}
	f := b.rep.Errorf(path[0].to.at, "", "stage %s needs itself, by way of %s", finding.QuoteValue(back), others)
	const most = 10
	for i, s := range path[1:] {
		if i == most {
			f.Note(s.to.at, "and so on")
			return
		}
		f.Note(s.to.at, "stage %s needs %s here", finding.QuoteValue(s.id), finding.QuoteValue(s.to.name))
	}
}

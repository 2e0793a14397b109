// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// builder makes one Declaration of checked elements, file after file.
type builder struct {
	rep     *report
	decl    *Declaration
	dirs    []string // of the file that is read
	partial bool     // a part of a file is unknown: what is missing may be there

	remotes map[string]named
	layers  map[string]named
	stages  map[string]named
	disks   map[string]named
	base    *named
	listed  *place // the last <bblayers>
	unnamed int    // stages so far that have no id
	results []ref  // of artifacts and feeds
}

// named is something that has been declared by a name.
type named struct {
	index int   // in its slice of the Declaration
	at    place // of the name
	refs  []ref
}

// ref is a name that must be declared somewhere in any of the files.
type ref struct {
	kind refKind
	who  string // such as `stage "b" starts from`
	name string
	at   place
	// others are words that mean something else in its place.
	others []string
}

type refKind int

const (
	toStage refKind = iota
	toRemote
	toBase // no name: there must be a base layer
)

func newBuilder(rep *report) *builder {
	return &builder{
		rep: rep, decl: &Declaration{},
		remotes: map[string]named{}, layers: map[string]named{}, stages: map[string]named{}, disks: map[string]named{},
	}
}

// addFile adds the contents of a file; root is nil if there are none.
func (b *builder) addFile(s Source, root *node) {
	b.decl.Files = append(b.decl.Files, s.Name)
	b.dirs = s.Dirs
	if root == nil {
		return
	}
	c := checker{b.rep}
	for _, n := range c.checkRoot(root).kids {
		switch n.name {
		case "layer_declaration":
			for _, k := range n.kids {
				b.addLayer(k)
			}
		case "local_conf":
			b.decl.LocalConf = b.addConf(n, b.decl.LocalConf)
		case "bblayers_conf":
			b.decl.BBLayersConf = b.addConf(n, b.decl.BBLayersConf)
		case "buildstage":
			b.addStage(n)
		case "disk":
			b.addDisk(n)
		case "artifact":
			b.addArtifact(n)
		case "feed":
			b.addFeed(n)
		}
	}
}

// declare notes a name of a kind, such as stage. It returns the index of what
// an earlier file declared by the name, or -1, and false if this file has
// declared it before, or if there is no name.
func (b *builder) declare(known map[string]named, what string, n *node, attr string, next int, refs []ref) (index int, ok bool) {
	a, name := n.attr(attr), n.value(attr)
	if name == "" {
		return -1, false
	}
	old, found := known[name]
	if found && old.at.file == n.file {
		b.rep.errorf(a.in, "", "%s %s is declared twice in one file", what, finding.QuoteValue(name)).note(old.at, "the first one is here")
		return -1, false
	}
	index, at := -1, next
	if found {
		index, at = old.index, old.index
	}
	known[name] = named{at, a.in, refs}
	return index, true
}

// put appends v, or replaces what was there.
func put[T any](all []T, index int, v T) []T {
	if index < 0 {
		return append(all, v)
	}
	all[index] = v
	return all
}

// spanOf is the value of an attribute, or the element if it has none.
func spanOf(n *node, attr string) finding.Span {
	if a := n.attr(attr); a != nil {
		return a.in.span()
	}
	return n.tag().span()
}

// placesOf are the places of all attributes, and of their words.
func placesOf(n *node) Places {
	p := Places{}
	for _, a := range n.attrs {
		p[a.name] = a.in.span()
		v := a.value.trim()
		if v.s == "" {
			continue
		}
		p[a.name] = v.place(0, len(v.s)).span()
		for _, w := range v.words() {
			p[a.name+" "+w.s] = w.place(0, len(w.s)).span()
		}
	}
	return p
}

func (b *builder) addLayer(n *node) {
	d := b.decl
	switch n.name {
	case "remote":
		if i, ok := b.declare(b.remotes, "remote", n, "name", len(d.Remotes), nil); ok {
			if url := n.value("baseurl"); url != "" && checkGitURL(url) == nil && !strings.HasSuffix(url, "/") && !strings.HasSuffix(url, ":") {
				b.rep.warnf(n.attr("baseurl").in, "did you mean "+finding.QuoteValue(url+"/")+"?", "baseurl and repo are joined without a slash between them")
			}
			d.Remotes = put(d.Remotes, i, Remote{Name: n.value("name"), BaseURL: n.value("baseurl"), Span: n.element()})
		}
	case "baselayer":
		if b.base != nil && b.base.at.file == n.file {
			b.rep.errorf(n.tag(), "", "a second <baselayer> in one file").note(b.base.at, "the first one is here")
			return
		}
		b.base = &named{at: n.tag(), refs: remoteRef(n, "the base layer")}
		d.Base = &BaseLayer{Remote: n.value("remote"), Revision: n.value("revision"), Repo: n.value("repo"), Span: n.element()}
	case "bblayers":
		b.addBBLayers(n)
	case "layer":
		refs := remoteRef(n, "layer "+finding.QuoteValue(n.value("name")))
		if i, ok := b.declare(b.layers, "layer", n, "name", len(d.Layers), refs); ok {
			d.Layers = put(d.Layers, i, GitLayer{
				Name: n.value("name"), Remote: n.value("remote"), Revision: n.value("revision"), Repo: n.value("repo"),
				Subdirs: strings.Fields(n.value("subdirs")), Span: n.element(),
			})
		}
	}
}

func remoteRef(n *node, who string) []ref {
	if n.value("remote") == "" {
		return nil
	}
	return []ref{{toRemote, who + " names remote", n.value("remote"), n.attr("remote").in, nil}}
}

// addBBLayers is the list of layers of bblayers.conf.
func (b *builder) addBBLayers(n *node) {
	if b.listed != nil && b.listed.file == n.file {
		b.rep.errorf(n.tag(), "", "a second <bblayers> in one file").note(*b.listed, "the first one is here")
		return
	}
	at := n.tag()
	b.listed = &at
	list := &BBLayers{Span: n.element()}
	for _, w := range n.text().words() {
		if fl := checkSubdir(w.s); fl != nil {
			if fl.to == 0 {
				fl.to, fl.hint = len(w.s), "paths are relative to the base layer's directory"
			}
			b.rep.errorf(w.place(fl.from, fl.to), fl.hint, "layer %s %s", finding.QuoteValue(w.s), fl.text)
			continue
		}
		list.Paths = append(list.Paths, w.s)
	}
	b.decl.BBLayers = list
}

// addConf appends a fragment of a file of bitbake's.
func (b *builder) addConf(n *node, all []LocalConf) []LocalConf {
	t := n.text()
	if strings.Trim(t.s, blanks) == "" {
		if !n.damaged && !n.open {
			b.rep.warnf(n.tag(), "", "<%s> is empty", n.name)
		}
		return all
	}
	trimmed := t.trim()
	return append(all, LocalConf{Text: t.s, Span: trimmed.place(0, len(trimmed.s)).span()})
}

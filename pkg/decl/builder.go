// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// builder makes one Declaration from checked elements, file after file.
type builder struct {
	rep     *xmltext.Report
	decl    *Declaration
	dirs    []string // of the file being read
	partial bool     // a part of a file is unknown: a missing name may be declared there

	remotes map[string]named
	layers  map[string]named
	stages  map[string]named
	disks   map[string]named
	base    *named
	listed  *xmltext.Place // the last <bblayers>
	unnamed int            // number of stages without an id so far
	results []ref          // of artifacts and feeds
}

// named is something that is declared under a name.
type named struct {
	index int           // in the slice of the Declaration
	at    xmltext.Place // of the name
	refs  []ref
}

// ref is a name that one of the files has to declare.
type ref struct {
	kind refKind
	who  string // such as `stage "b" starts from`
	name string
	at   xmltext.Place
	// others are words that are allowed in place of a name.
	others []string
}

type refKind int

const (
	toStage refKind = iota
	toRemote
	toBase // no name: there must be a base layer
)

func newBuilder(rep *xmltext.Report) *builder {
	return &builder{
		rep: rep, decl: &Declaration{},
		remotes: map[string]named{}, layers: map[string]named{}, stages: map[string]named{}, disks: map[string]named{},
	}
}

// addFile adds the contents of a file; root is nil if there are none.
func (b *builder) addFile(s Source, root *xmltext.Node) {
	b.decl.Files = append(b.decl.Files, s.Name)
	b.dirs = s.Dirs
	if root == nil {
		return
	}
	c := checker{b.rep}
	for _, n := range c.checkRoot(root).Kids {
		switch n.Name {
		case "layer_declaration":
			for _, k := range n.Kids {
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

// declare notes a name of a kind, such as stage. It returns the index of the
// earlier file's declaration of that name, or -1. It returns false if this file has
// already declared the name, or if there is no name.
func (b *builder) declare(known map[string]named, what string, n *xmltext.Node, attr string, next int, refs []ref) (index int, ok bool) {
	a, name := n.Attr(attr), n.Value(attr)
	if name == "" {
		return -1, false
	}
	old, found := known[name]
	if found && old.at.File == n.File {
		b.rep.Errorf(a.In, "", "%s %s is declared twice in one file", what, finding.QuoteValue(name)).Note(old.at, "the first one is here")
		return -1, false
	}
	index, at := -1, next
	if found {
		index, at = old.index, old.index
	}
	known[name] = named{at, a.In, refs}
	return index, true
}

// put appends v, or replaces the value that was there.
func put[T any](all []T, index int, v T) []T {
	if index < 0 {
		return append(all, v)
	}
	all[index] = v
	return all
}

// spanOf is the value of an attribute, or the element if it has none.
func spanOf(n *xmltext.Node, attr string) finding.Span {
	if a := n.Attr(attr); a != nil {
		return a.In.Span()
	}
	return n.Tag().Span()
}

// placesOf are the places of all attributes, and of their words.
func placesOf(n *xmltext.Node) Places {
	p := Places{}
	for _, a := range n.Attrs {
		p[a.Name] = a.In.Span()
		v := a.Value.Trim()
		if v.S == "" {
			continue
		}
		p[a.Name] = v.Place(0, len(v.S)).Span()
		for _, w := range v.Words() {
			p[a.Name+" "+w.S] = w.Place(0, len(w.S)).Span()
		}
	}
	return p
}

func (b *builder) addLayer(n *xmltext.Node) {
	d := b.decl
	switch n.Name {
	case "remote":
		if i, ok := b.declare(b.remotes, "remote", n, "name", len(d.Remotes), nil); ok {
			if url := n.Value("baseurl"); url != "" && checkGitURL(url) == nil && !strings.HasSuffix(url, "/") && !strings.HasSuffix(url, ":") {
				b.rep.Warnf(n.Attr("baseurl").In, "did you mean "+finding.QuoteValue(url+"/")+"?", "baseurl and repo are joined without a slash between them")
			}
			d.Remotes = put(d.Remotes, i, Remote{Name: n.Value("name"), BaseURL: n.Value("baseurl"), Span: n.Element()})
		}
	case "baselayer":
		if b.base != nil && b.base.at.File == n.File {
			b.rep.Errorf(n.Tag(), "", "a second <baselayer> in one file").Note(b.base.at, "the first one is here")
			return
		}
		b.base = &named{at: n.Tag(), refs: remoteRef(n, "the base layer")}
		d.Base = &BaseLayer{Remote: n.Value("remote"), Revision: n.Value("revision"), Repo: n.Value("repo"), Span: n.Element()}
	case "bblayers":
		b.addBBLayers(n)
	case "layer":
		refs := remoteRef(n, "layer "+finding.QuoteValue(n.Value("name")))
		if i, ok := b.declare(b.layers, "layer", n, "name", len(d.Layers), refs); ok {
			d.Layers = put(d.Layers, i, GitLayer{
				Name: n.Value("name"), Remote: n.Value("remote"), Revision: n.Value("revision"), Repo: n.Value("repo"),
				Subdirs: strings.Fields(n.Value("subdirs")), Span: n.Element(),
			})
		}
	}
}

func remoteRef(n *xmltext.Node, who string) []ref {
	if n.Value("remote") == "" {
		return nil
	}
	return []ref{{toRemote, who + " names remote", n.Value("remote"), n.Attr("remote").In, nil}}
}

// addBBLayers is the list of layers of bblayers.conf.
func (b *builder) addBBLayers(n *xmltext.Node) {
	if b.listed != nil && b.listed.File == n.File {
		b.rep.Errorf(n.Tag(), "", "a second <bblayers> in one file").Note(*b.listed, "the first one is here")
		return
	}
	at := n.Tag()
	b.listed = &at
	list := &BBLayers{Span: n.Element()}
	for _, w := range n.Text().Words() {
		if fl := checkSubdir(w.S); fl != nil {
			if fl.to == 0 {
				fl.to, fl.hint = len(w.S), "paths are relative to the base layer's directory"
			}
			b.rep.Errorf(w.Place(fl.from, fl.to), fl.hint, "layer %s %s", finding.QuoteValue(w.S), fl.text)
			continue
		}
		list.Paths = append(list.Paths, w.S)
	}
	b.decl.BBLayers = list
}

// addConf appends a fragment of a file of bitbake's.
func (b *builder) addConf(n *xmltext.Node, all []LocalConf) []LocalConf {
	t := n.Text()
	if strings.Trim(t.S, xmltext.Blanks) == "" {
		if !n.Damaged && !n.Open {
			b.rep.Warnf(n.Tag(), "", "<%s> is empty", n.Name)
		}
		return all
	}
	trimmed := t.Trim()
	return append(all, LocalConf{Text: t.S, Span: trimmed.Place(0, len(trimmed.S)).Span()})
}

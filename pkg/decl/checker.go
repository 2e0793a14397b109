// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/words"
)

// checker compares the elements of a file with the grammar. An element that does
// not belong is reported and removed. A misspelt element is reported and then
// treated as the element that was meant, so that its contents are checked too and
// references to it are not reported as well.
type checker struct{ rep *xmltext.Report }

// checkRoot returns the file's root as a <redo>.
func (c *checker) checkRoot(n *xmltext.Node) *xmltext.Node {
	if n.Name != rootName {
		if kids := grammar[rootName].kids; slices.Contains(kids, n.Name) {
			// A file may consist of a single element, such as a disk.
			n = n.Within(rootName)
		} else {
			if strings.Contains(n.Name, ":") {
				c.namespaced(n)
			} else {
				c.rep.Warnf(n.Tag(), `did you mean "redo"?`, "the root element is <%s>", n.Name)
			}
			n.Name = rootName
		}
	}
	c.element(n)
	return n
}

// element checks one element and everything in it.
func (c *checker) element(n *xmltext.Node) {
	r := grammar[n.Name]
	c.attributes(n, r)
	n.Kids = c.kids(n, n.Kids, r)
	for _, name := range r.once {
		c.once(n, name)
	}
	if n.Damaged || n.Open {
		return
	}
	switch r.text {
	case noText:
		c.noText(n)
	case mustText:
		if strings.Trim(n.Text().S, xmltext.Blanks) == "" {
			c.rep.Errorf(n.Tag(), "", "<%s> is empty", n.Name)
		}
	}
}

func (c *checker) noText(n *xmltext.Node) {
	at, ok := n.Solid()
	if !ok {
		return
	}
	hint := ""
	switch kids := grammar[n.Name].kids; {
	case slices.Contains(kids, "action"):
		hint = "actions are written <action>RUN ...</action>"
	case len(kids) == 0:
		hint = "write <" + n.Name + " .../>"
	}
	c.rep.Errorf(at, hint, "text in <%s>, where only elements may stand", n.Name)
}

func (c *checker) once(n *xmltext.Node, name string) {
	var first *xmltext.Node
	for _, k := range n.Kids {
		switch {
		case k.Name != name:
		case first == nil:
			first = k
		default:
			c.rep.Errorf(k.Tag(), "", "a second <%s> in one <%s>", name, n.Name).Note(first.Tag(), "the first one is here")
		}
	}
}

// kids checks the elements in n, and returns those that belong there. The elements
// are n's, or those of an unknown element in n.
func (c *checker) kids(n *xmltext.Node, kids []*xmltext.Node, r rule) []*xmltext.Node {
	good := kids[:0:0]
	for _, k := range kids {
		if c.rep.Full() {
			c.rep.Drop()
			return good
		}
		if !slices.Contains(r.kids, k.Name) {
			group, ok := c.stranger(n, k, r)
			good = append(good, group...)
			if !ok {
				continue
			}
		}
		c.element(k)
		good = append(good, k)
	}
	return good
}

// stranger reports an element that does not belong in n. It returns true if the
// element was given the name that was meant. If the element only groups others, it
// returns those.
func (c *checker) stranger(n, k *xmltext.Node, r rule) (group []*xmltext.Node, ok bool) {
	right, hint := correct(k.Name, r.kids)
	old := deprecated[k.Name]
	switch at := k.Tag(); {
	case slices.Contains(r.kids, old):
		c.rep.Warnf(at, "write <"+old+">", "<%s> is deprecated", k.Name)
		k.Name = old
		return nil, true
	case strings.Contains(k.Name, ":"):
		c.namespaced(k)
	case n.Open: // it belongs to the element whose end tag was forgotten
	case k.Name == n.Name && k.Name == "buildstage":
		c.rep.Errorf(at, "close the stage first", "a <buildstage> inside another").Note(n.Tag(), "the outer one is here")
	case len(homes(k.Name)) > 0 && len(r.kids) > 0:
		c.rep.Errorf(at, "<"+k.Name+"> belongs in "+words.List(homes(k.Name)), "<%s> does not belong in <%s>", k.Name, n.Name)
	case right != "":
		c.rep.Errorf(at, hint, "unknown element <%s>", k.Name)
		k.Name = right
		return nil, true
	case len(r.kids) == 0:
		hint := ""
		if r.text != noText {
			hint = "write &lt; for a < in text"
		}
		c.rep.Errorf(at, hint, "<%s> has no elements in it, but here is <%s>", n.Name, k.Name)
	case holds(k, r.kids):
		c.rep.Warnf(at, "", "unknown element <%s>; its contents are read as if they stood outside it", k.Name)
		return c.kids(n, k.Kids, r), false
	default:
		c.rep.Errorf(at, "<"+n.Name+"> has "+words.List(r.kids), "unknown element <%s>", k.Name)
	}
	return nil, false
}

// holds reports whether one of the named elements is below n. redomat looked
// for most elements at any depth.
func holds(n *xmltext.Node, names []string) bool {
	return slices.ContainsFunc(n.Kids, func(k *xmltext.Node) bool { return slices.Contains(names, k.Name) || holds(k, names) })
}

func (c *checker) namespaced(n *xmltext.Node) {
	hint := ""
	if strings.HasSuffix(n.Name, ":include") {
		hint = "to put declarations together, name several files"
	}
	c.rep.Errorf(n.Tag(), hint, "<%s>: declarations have no namespaces", n.Name)
}

// attributes checks the attributes of an element: their names, their values, and
// that none is missing.
func (c *checker) attributes(n *xmltext.Node, r rule) {
	names := make([]string, len(r.attrs))
	for i, a := range r.attrs {
		names[i] = a.name
	}
	for i := range n.Attrs {
		if a := &n.Attrs[i]; !slices.Contains(names, a.Name) && !forEditor(a) {
			c.unknownAttribute(n, a, names)
		}
	}
	for _, ar := range r.attrs {
		a := n.Attr(ar.name)
		switch {
		case a == nil && ar.required && !n.Damaged:
			c.rep.Errorf(n.Tag(), "", "<%s> lacks the attribute %q", n.Name, ar.name)
		case a == nil || n.Damaged:
		case strings.Trim(a.Value.S, xmltext.Blanks) == "":
			if ar.required {
				c.rep.Errorf(a.In, "", "the attribute %q of <%s> is empty", ar.name, n.Name)
			}
		case ar.check != nil:
			c.value(n, a, ar.check)
		}
	}
}

// forEditor reports whether an attribute tells an editor which schema to use
// (XML Schema, part 1, section 2.6), and us nothing.
func forEditor(a *xmltext.Attribute) bool {
	switch a.Name {
	case "xmlns:xsi":
		return strings.Trim(a.Value.S, xmltext.Blanks) == schemaInstance
	case "xsi:noNamespaceSchemaLocation", "xsi:schemaLocation":
		return true
	}
	return false
}

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

func (c *checker) unknownAttribute(n *xmltext.Node, a *xmltext.Attribute, names []string) {
	right, hint := correct(a.Name, names)
	old := deprecated[a.Name]
	switch {
	case slices.Contains(names, old) && n.Attr(old) == nil:
		c.rep.Warnf(a.At, "write "+old, "the attribute %s of <%s> is deprecated", finding.QuoteValue(a.Name), n.Name)
		a.Name = old
		return
	case strings.Contains(a.Name, ":") || a.Name == "xmlns":
		c.rep.Errorf(a.At, "", "attribute %s: declarations have no namespaces", finding.QuoteValue(a.Name))
		return
	case right == "" && len(names) == 0:
		hint = "<" + n.Name + "> has no attributes"
	case right == "":
		hint = "<" + n.Name + "> has " + words.List(names)
	}
	c.rep.Errorf(a.At, hint, "unknown attribute %s of <%s>", finding.QuoteValue(a.Name), n.Name)
	if right != "" && n.Attr(right) == nil {
		a.Name = right
	}
}

func (c *checker) value(n *xmltext.Node, a *xmltext.Attribute, check check) {
	v := a.Value.Trim()
	if fl := check(v.S); fl != nil {
		from, to := fl.from, fl.to
		if to == 0 {
			to = len(v.S)
		}
		what := v.S
		if fl.part {
			what = v.S[from:to]
		}
		if fl.secret {
			what = v.S[:from] + "..." + v.S[to:]
		}
		c.rep.Errorf(v.Place(from, to), fl.hint, "%s %s of <%s> %s", a.Name, finding.QuoteValue(what), n.Name, fl.text)
	}
}

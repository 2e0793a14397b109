// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// checker compares the elements of a file with the grammar. What does not
// belong is reported and taken out; a misspelt element is reported and then
// treated as what it was meant to be, so that its contents are checked too
// and what refers to it is not reported as well.
type checker struct{ rep *report }

// checkRoot returns the file's root as a <redo>.
func (c *checker) checkRoot(n *node) *node {
	if n.name != rootName {
		if kids := grammar[rootName].kids; slices.Contains(kids, n.name) {
			// A file may consist of a single element, such as a disk.
			n = n.within(rootName)
		} else {
			if strings.Contains(n.name, ":") {
				c.namespaced(n)
			} else {
				c.rep.warnf(n.tag(), `did you mean "redo"?`, "the root element is <%s>", n.name)
			}
			n.name = rootName
		}
	}
	c.element(n)
	return n
}

// element checks one element and all in it.
func (c *checker) element(n *node) {
	r := grammar[n.name]
	c.attributes(n, r)
	n.kids = c.kids(n, n.kids, r)
	for _, name := range r.once {
		c.once(n, name)
	}
	if n.damaged || n.open {
		return
	}
	switch r.text {
	case noText:
		c.noText(n)
	case mustText:
		if strings.Trim(n.text().s, blanks) == "" {
			c.rep.errorf(n.tag(), "", "<%s> is empty", n.name)
		}
	}
}

func (c *checker) noText(n *node) {
	at, ok := n.solid()
	if !ok {
		return
	}
	hint := ""
	switch kids := grammar[n.name].kids; {
	case slices.Contains(kids, "action"):
		hint = "actions are written <action>RUN ...</action>"
	case len(kids) == 0:
		hint = "write <" + n.name + " .../>"
	}
	c.rep.errorf(at, hint, "text in <%s>, where only elements may stand", n.name)
}

func (c *checker) once(n *node, name string) {
	var first *node
	for _, k := range n.kids {
		switch {
		case k.name != name:
		case first == nil:
			first = k
		default:
			c.rep.errorf(k.tag(), "", "a second <%s> in one <%s>", name, n.name).note(first.tag(), "the first one is here")
		}
	}
}

// kids checks the elements in n, and returns those that belong there. The
// elements are n's, or those of a group in it.
func (c *checker) kids(n *node, kids []*node, r rule) []*node {
	good := kids[:0:0]
	for _, k := range kids {
		if c.rep.Full() {
			c.rep.drop()
			return good
		}
		if !slices.Contains(r.kids, k.name) {
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

// stranger reports an element that does not belong into n. It returns true if
// it was given the name that it was meant to have, and the elements of it if
// it only holds things together.
func (c *checker) stranger(n, k *node, r rule) (group []*node, ok bool) {
	right, hint := correct(k.name, r.kids)
	old := deprecated[k.name]
	switch at := k.tag(); {
	case slices.Contains(r.kids, old):
		c.rep.warnf(at, "write <"+old+">", "<%s> is deprecated", k.name)
		k.name = old
		return nil, true
	case strings.Contains(k.name, ":"):
		c.namespaced(k)
	case n.open: // it belongs to the element that was forgotten to be closed
	case k.name == n.name && k.name == "buildstage":
		c.rep.errorf(at, "close the stage first", "a <buildstage> inside of another").note(n.tag(), "the outer one is here")
	case len(homes(k.name)) > 0 && len(r.kids) > 0:
		c.rep.errorf(at, "<"+k.name+"> belongs in "+words.List(homes(k.name)), "<%s> does not belong in <%s>", k.name, n.name)
	case right != "":
		c.rep.errorf(at, hint, "unknown element <%s>", k.name)
		k.name = right
		return nil, true
	case len(r.kids) == 0:
		hint := ""
		if r.text != noText {
			hint = "write &lt; for a < in text"
		}
		c.rep.errorf(at, hint, "<%s> has no elements in it, but here is <%s>", n.name, k.name)
	case holds(k, r.kids):
		c.rep.warnf(at, "", "unknown element <%s>; what is in it counts as if it were not there", k.name)
		return c.kids(n, k.kids, r), false
	default:
		c.rep.errorf(at, "<"+n.name+"> has "+words.List(r.kids), "unknown element <%s>", k.name)
	}
	return nil, false
}

// holds reports whether one of the named elements is below n. redomat looked
// for most elements at any depth.
func holds(n *node, names []string) bool {
	return slices.ContainsFunc(n.kids, func(k *node) bool { return slices.Contains(names, k.name) || holds(k, names) })
}

func (c *checker) namespaced(n *node) {
	hint := ""
	if strings.HasSuffix(n.name, ":include") {
		hint = "to put declarations together, name several files"
	}
	c.rep.errorf(n.tag(), hint, "<%s>: declarations have no namespaces", n.name)
}

// attributes checks the attributes of an element: their names, that none is
// missing, and their values.
func (c *checker) attributes(n *node, r rule) {
	names := make([]string, len(r.attrs))
	for i, a := range r.attrs {
		names[i] = a.name
	}
	for i := range n.attrs {
		if a := &n.attrs[i]; !slices.Contains(names, a.name) && !forEditor(a) {
			c.unknownAttribute(n, a, names)
		}
	}
	for _, ar := range r.attrs {
		a := n.attr(ar.name)
		switch {
		case a == nil && ar.required && !n.damaged:
			c.rep.errorf(n.tag(), "", "<%s> lacks the attribute %q", n.name, ar.name)
		case a == nil || n.damaged:
		case strings.Trim(a.value.s, blanks) == "":
			if ar.required {
				c.rep.errorf(a.in, "", "the attribute %q of <%s> is empty", ar.name, n.name)
			}
		case ar.check != nil:
			c.value(n, a, ar.check)
		}
	}
}

// forEditor reports whether an attribute tells an editor which schema to use
// (XML Schema, part 1, section 2.6), and us nothing.
func forEditor(a *attribute) bool {
	switch a.name {
	case "xmlns:xsi":
		return strings.Trim(a.value.s, blanks) == schemaInstance
	case "xsi:noNamespaceSchemaLocation", "xsi:schemaLocation":
		return true
	}
	return false
}

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

func (c *checker) unknownAttribute(n *node, a *attribute, names []string) {
	right, hint := correct(a.name, names)
	old := deprecated[a.name]
	switch {
	case slices.Contains(names, old) && n.attr(old) == nil:
		c.rep.warnf(a.at, "write "+old, "the attribute %s of <%s> is deprecated", finding.QuoteValue(a.name), n.name)
		a.name = old
		return
	case strings.Contains(a.name, ":") || a.name == "xmlns":
		c.rep.errorf(a.at, "", "attribute %s: declarations have no namespaces", finding.QuoteValue(a.name))
		return
	case right == "" && len(names) == 0:
		hint = "<" + n.name + "> has no attributes"
	case right == "":
		hint = "<" + n.name + "> has " + words.List(names)
	}
	c.rep.errorf(a.at, hint, "unknown attribute %s of <%s>", finding.QuoteValue(a.name), n.name)
	if right != "" && n.attr(right) == nil {
		a.name = right
	}
}

func (c *checker) value(n *node, a *attribute, check check) {
	v := a.value.trim()
	if fl := check(v.s); fl != nil {
		from, to := fl.from, fl.to
		if to == 0 {
			to = len(v.s)
		}
		what := v.s
		if fl.part {
			what = v.s[from:to]
		}
		if fl.secret {
			what = v.s[:from] + "..." + v.s[to:]
		}
		c.rep.errorf(v.place(from, to), fl.hint, "%s %s of <%s> %s", a.name, finding.QuoteValue(what), n.name, fl.text)
	}
}

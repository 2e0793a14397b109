// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// Bounds for hostile files.
const (
	maxDepth    = 64
	maxElements = 1_000_000
	maxRepairs  = 20 // each may read the rest of a start tag again
)

// node is an element of a file.
type node struct {
	name    string // with its prefix
	file    *file
	data    []byte // of the file, with what was not well-formed blanked
	start   int    // offset of its <
	end     int    // offset behind it; 0 when it was never closed
	nameEnd int
	attrs   []attribute
	kids    []*node
	runs    []run // its own character data
	decoded *text // the same, once it has been asked for
	damaged bool  // its tag or text was not well-formed: what it says is unknown
	open    bool  // it was never closed: where it ends is unknown
}

// attribute is an attribute of a start tag.
type attribute struct {
	name  string
	at    place // of the name
	value text
	in    place // of the value, without its quotes
}

// tag is the place of the element's name.
func (n *node) tag() place { return n.file.at(n.start+1, n.nameEnd) }

// element is the span of the opening of the start tag.
func (n *node) element() finding.Span { return n.file.at(n.start, n.nameEnd).span() }

// text returns the element's own character data.
func (n *node) text() text {
	if n.decoded == nil {
		t := decodeText(n.file, n.data, n.runs)
		n.decoded = &t
	}
	return *n.decoded
}

// solid is the first line of the element's own character data that is not white space.
func (n *node) solid() (place, bool) {
	for _, r := range n.runs {
		if from, to, ok := solid(n.data, r); ok {
			return n.file.at(from, to), true
		}
	}
	return place{}, false
}

// within is an element of another name at the place of n, with n in it.
func (n *node) within(name string) *node {
	return &node{name: name, file: n.file, data: n.data, start: n.start, nameEnd: n.nameEnd, kids: []*node{n}}
}

// attr returns an attribute by name, or nil.
func (n *node) attr(name string) *attribute {
	for i := range n.attrs {
		if n.attrs[i].name == name {
			return &n.attrs[i]
		}
	}
	return nil
}

// value returns an attribute's value without white space around it, or
// nothing.
func (n *node) value(name string) string {
	if a := n.attr(name); a != nil {
		return strings.Trim(a.value.s, blanks)
	}
	return ""
}

// reader turns a file into nodes.
type reader struct {
	f        *file
	rep      *report
	data     []byte // of the file, or a copy with repairs
	copied   bool
	root     *node
	stack    []*node
	elements int
	repairs  int
	names    map[string]string // of elements and attributes, each made once
	damaged  int               // offset of a tag that was repaired, or -1
	complete bool              // every element is where its author put it
}

// readXML reads a file and reports all that is not well-formed in it, or is
// XML that declarations do without. It returns nil if there is no root, and
// false if a part of the file is missing from the result.
func readXML(f *file, original int, rep *report) (root *node, complete bool) {
	data, pos, ok := checkBytes(f, original, rep)
	if !ok {
		return nil, false
	}
	r := &reader{f: f, rep: rep, data: data, copied: &data[0] != &f.data[0], damaged: -1, complete: true, names: map[string]string{}}
	for more := true; more; {
		pos, more = r.readFrom(pos)
	}
	for _, n := range r.stack {
		n.open = true
	}
	return r.root, r.complete
}

// readFrom reads tokens from pos on. After an error that could be repaired it
// returns where to go on.
func (r *reader) readFrom(pos int) (next int, more bool) {
	dec := xml.NewDecoder(bytes.NewReader(r.data[pos:]))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // reported by checkEncoding
	for {
		at := pos + int(dec.InputOffset())
		tok, err := dec.RawToken()
		end := pos + int(dec.InputOffset())
		switch {
		case err == io.EOF:
			r.finish()
			return 0, false
		case err != nil || tok == nil:
			return at, r.repair(at, end, err)
		case !r.token(tok, at, end):
			r.complete = false
			return 0, false
		}
	}
}

// token handles the token in [at,end) and returns false when the
// rest of the file is not to be read.
func (r *reader) token(tok xml.Token, at, end int) bool {
	switch tok := tok.(type) {
	case xml.StartElement:
		return r.startElement(at, end)
	case xml.EndElement:
		if at == end { // the second half of <a/>
			r.stack[len(r.stack)-1].end = end
			r.stack = r.stack[:len(r.stack)-1]
			return true
		}
		name := strings.Trim(string(r.data[at+2:end-1]), blanks)
		r.endElement(name, at, end)
	case xml.CharData:
		r.charData(run{at, end})
	case xml.ProcInst:
		switch {
		case tok.Target == "xml-model" || tok.Target == "xml-stylesheet": // an editor's or a browser's affair
		case tok.Target != "xml":
			r.rep.errorf(r.f.at(at, end), "only <?xml-model ...?> and <?xml-stylesheet ...?> may stand here", "declarations have no processing instructions")
		case at > len(utf8BOM) || at > 0 && !bytes.HasPrefix(r.f.data, utf8BOM):
			r.rep.errorf(r.f.at(at, end), "", "<?xml ...?> must be the very first in the file")
		default:
			checkEncoding(r.f, at, end, r.rep)
		}
	case xml.Directive:
		r.rep.errorf(r.f.at(at, end), "remove it; entities other than &amp; &lt; &gt; &quot; &apos; cannot be used", "declarations have no DTD")
	}
	return true
}

func (r *reader) startElement(at, end int) bool {
	n := r.scanTag(at, end)
	n.damaged = r.damaged == at
	r.elements++
	switch {
	case r.elements > maxElements:
		r.rep.errorf(n.tag(), "", "more than %d elements", maxElements)
		return false
	case len(r.stack) == maxDepth:
		r.rep.errorf(n.tag(), "", "elements are nested more than %d deep", maxDepth)
		return false
	}
	switch {
	case len(r.stack) > 0:
		up := r.stack[len(r.stack)-1]
		up.kids = append(up.kids, n)
	case r.root == nil:
		r.root = n
	default:
		r.rep.errorf(n.tag(), "put it into the first", "a second root element <%s>", n.name).
			note(r.root.tag(), "the first root element is here")
		r.complete = false
	}
	r.stack = append(r.stack, n)
	r.duplicates(n)
	return true
}

func (r *reader) duplicates(n *node) {
	for i, a := range n.attrs {
		if first := n.attr(a.name); first != &n.attrs[i] {
			r.rep.errorf(a.at, "", "<%s> has the attribute %s twice", n.name, finding.QuoteValue(a.name)).note(first.at, "the first one is here")
			if r.rep.Full() {
				return
			}
		}
	}
}

// endElement closes the innermost element, and if the name is another one's,
// finds out what was forgotten.
func (r *reader) endElement(name string, at, end int) {
	here := r.f.at(at, end)
	for i := len(r.stack) - 1; i >= 0; i-- {
		if r.stack[i].name != name {
			continue
		}
		for _, n := range r.stack[i+1:] {
			n.open, r.complete = true, false
			r.rep.errorf(n.tag(), "", "<%s> is not closed", n.name).note(here, "</%s> stands here", name)
		}
		r.stack[i].end = end
		r.stack = r.stack[:i]
		return
	}
	r.complete = false
	if len(r.stack) > 0 {
		top := r.stack[len(r.stack)-1]
		if words.Suggest(name, []string{top.name}) != "" {
			r.rep.errorf(r.f.at(at+2, at+2+len(name)), "did you mean </"+top.name+">?", "</%s> cannot close <%s>", name, top.name).note(top.tag(), "<%s> is opened here", top.name)
			r.stack = r.stack[:len(r.stack)-1]
			return
		}
	}
	r.rep.errorf(here, "", "</%s> closes nothing", name)
}

func (r *reader) charData(c run) {
	if len(r.stack) > 0 {
		n := r.stack[len(r.stack)-1]
		n.runs = append(n.runs, c)
		return
	}
	if from, to, ok := solid(r.data, c); ok {
		where := "before"
		if r.root != nil {
			where = "after"
		}
		r.rep.errorf(r.f.at(from, to), "", "text %s the root element", where)
	}
}

// finish reports what is missing at the end of the file.
func (r *reader) finish() {
	for _, n := range r.stack {
		r.complete = false
		r.rep.errorf(n.tag(), "", "<%s> is not closed", n.name)
	}
	if r.root == nil && r.complete {
		r.complete = false
		r.rep.errorf(r.f.at(0, 0), "<redo> ... </redo>", "there is no root element")
	}
}

// solid returns the first line of what is not white space in a run.
func solid(data []byte, c run) (from, to int, ok bool) {
	raw := data[c.from:c.to]
	from = c.from + len(raw) - len(bytes.TrimLeft(raw, blanks))
	raw = bytes.TrimRight(data[from:c.to], blanks)
	if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		raw = bytes.TrimRight(raw[:i], blanks)
	}
	return from, from + len(raw), len(raw) > 0
}

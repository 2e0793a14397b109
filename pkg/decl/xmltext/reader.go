// SPDX-License-Identifier: MPL-2.0

package xmltext

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
	MaxElements = 1_000_000
	maxRepairs  = 20 // each may need another scan of a start tag
)

// Node is an element of a file.
type Node struct {
	Name    string // with its prefix
	File    *File
	data    []byte // content of the file, with malformed parts blanked
	Start   int    // offset of its <
	End     int    // offset after it; 0 if it was never closed
	nameEnd int
	Attrs   []Attribute
	Kids    []*Node
	runs    []run // its own character data
	decoded *Text // the same, after the first call of Text
	Damaged bool  // its tag or text was malformed: its meaning is unknown
	Open    bool  // it was never closed: where it ends is unknown
}

// Attribute is an attribute of a start tag.
type Attribute struct {
	Name  string
	At    Place // of the name
	Value Text
	In    Place // of the value, without its quotes
}

// Tag is the place of the element's name.
func (n *Node) Tag() Place { return n.File.at(n.Start+1, n.nameEnd) }

// Element is the span of the opening of the start tag.
func (n *Node) Element() finding.Span { return n.File.at(n.Start, n.nameEnd).Span() }

// Text returns the element's own character data.
func (n *Node) Text() Text {
	if n.decoded == nil {
		t := decodeText(n.File, n.data, n.runs)
		n.decoded = &t
	}
	return *n.decoded
}

// Solid is the first line of the element's character data that is not white space.
func (n *Node) Solid() (Place, bool) {
	for _, r := range n.runs {
		if from, to, ok := solid(n.data, r); ok {
			return n.File.at(from, to), true
		}
	}
	return Place{}, false
}

// Within returns an element of another name at the place of n, which contains n.
func (n *Node) Within(name string) *Node {
	return &Node{Name: name, File: n.File, data: n.data, Start: n.Start, nameEnd: n.nameEnd, Kids: []*Node{n}}
}

// Attr returns the attribute of a name, or nil.
func (n *Node) Attr(name string) *Attribute {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}

// Value returns an attribute's value without white space around it, or "".
func (n *Node) Value(name string) string {
	if a := n.Attr(name); a != nil {
		return strings.Trim(a.Value.S, Blanks)
	}
	return ""
}

// reader turns a file into nodes.
type reader struct {
	f        *File
	rep      *Report
	data     []byte // of the file, or a copy with repairs
	copied   bool
	root     *Node
	stack    []*Node
	elements int
	repairs  int
	names    map[string]string // of elements and attributes, each made once
	damaged  int               // offset of a tag that was repaired, or -1
	complete bool              // every element is where its author put it
}

// Read reads a file and reports everything that is not well-formed, and XML
// features that declarations do not have. It returns nil if there is no root, and
// false if a part of the file is missing from the result.
//
// index is the file's place in the order of reading, by which findings are sorted.
func Read(index int, name string, content []byte, rep *Report) (root *Node, complete bool) {
	f := newFile(index, name, content)
	data, pos, ok := checkBytes(f, len(content), rep)
	if !ok {
		return nil, false
	}
	r := &reader{f: f, rep: rep, data: data, copied: &data[0] != &f.data[0], damaged: -1, complete: true, names: map[string]string{}}
	for more := true; more; {
		pos, more = r.readFrom(pos)
	}
	for _, n := range r.stack {
		n.Open = true
	}
	return r.root, r.complete
}

// readFrom reads tokens from pos on. After an error that could be repaired it
// returns the offset where reading continues.
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
			r.stack[len(r.stack)-1].End = end
			r.stack = r.stack[:len(r.stack)-1]
			return true
		}
		name := strings.Trim(string(r.data[at+2:end-1]), Blanks)
		r.endElement(name, at, end)
	case xml.CharData:
		r.charData(run{at, end})
	case xml.ProcInst:
		switch {
		case tok.Target == "xml-model" || tok.Target == "xml-stylesheet": // for editors and browsers
		case tok.Target != "xml":
			r.rep.Errorf(r.f.at(at, end), "only <?xml-model ...?> and <?xml-stylesheet ...?> may stand here", "declarations have no processing instructions")
		case at > len(utf8BOM) || at > 0 && !bytes.HasPrefix(r.f.data, utf8BOM):
			r.rep.Errorf(r.f.at(at, end), "", "<?xml ...?> must be the very first in the file")
		default:
			checkEncoding(r.f, at, end, r.rep)
		}
	case xml.Directive:
		r.rep.Errorf(r.f.at(at, end), "remove it; entities other than &amp; &lt; &gt; &quot; &apos; cannot be used", "declarations have no DTD")
	}
	return true
}

func (r *reader) startElement(at, end int) bool {
	n := r.scanTag(at, end)
	n.Damaged = r.damaged == at
	r.elements++
	switch {
	case r.elements > MaxElements:
		r.rep.Errorf(n.Tag(), "", "more than %d elements", MaxElements)
		return false
	case len(r.stack) == maxDepth:
		r.rep.Errorf(n.Tag(), "", "elements are nested more than %d levels deep", maxDepth)
		return false
	}
	switch {
	case len(r.stack) > 0:
		up := r.stack[len(r.stack)-1]
		up.Kids = append(up.Kids, n)
	case r.root == nil:
		r.root = n
	default:
		r.rep.Errorf(n.Tag(), "put it into the first", "a second root element <%s>", n.Name).
			Note(r.root.Tag(), "the first root element is here")
		r.complete = false
	}
	r.stack = append(r.stack, n)
	r.duplicates(n)
	return true
}

func (r *reader) duplicates(n *Node) {
	for i, a := range n.Attrs {
		if first := n.Attr(a.Name); first != &n.Attrs[i] {
			r.rep.Errorf(a.At, "", "<%s> has the attribute %s twice", n.Name, finding.QuoteValue(a.Name)).Note(first.At, "the first one is here")
			if r.rep.Full() {
				return
			}
		}
	}
}

// endElement closes the innermost element. If the name is another one's, it finds
// out which end tag was forgotten.
func (r *reader) endElement(name string, at, end int) {
	here := r.f.at(at, end)
	for i := len(r.stack) - 1; i >= 0; i-- {
		if r.stack[i].Name != name {
			continue
		}
		for _, n := range r.stack[i+1:] {
			n.Open, r.complete = true, false
			r.rep.Errorf(n.Tag(), "", "<%s> is not closed", n.Name).Note(here, "</%s> stands here", name)
		}
		r.stack[i].End = end
		r.stack = r.stack[:i]
		return
	}
	r.complete = false
	if len(r.stack) > 0 {
		top := r.stack[len(r.stack)-1]
		if words.Suggest(name, []string{top.Name}) != "" {
			r.rep.Errorf(r.f.at(at+2, at+2+len(name)), "did you mean </"+top.Name+">?", "</%s> cannot close <%s>", name, top.Name).Note(top.Tag(), "<%s> is opened here", top.Name)
			r.stack = r.stack[:len(r.stack)-1]
			return
		}
	}
	r.rep.Errorf(here, "", "</%s> closes nothing", name)
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
		r.rep.Errorf(r.f.at(from, to), "", "text %s the root element", where)
	}
}

// finish reports what is missing at the end of the file.
func (r *reader) finish() {
	for _, n := range r.stack {
		r.complete = false
		r.rep.Errorf(n.Tag(), "", "<%s> is not closed", n.Name)
	}
	if r.root == nil && r.complete {
		r.complete = false
		r.rep.Errorf(r.f.at(0, 0), "<redo> ... </redo>", "there is no root element")
	}
}

// solid returns the first line of what is not white space in a run.
func solid(data []byte, c run) (from, to int, ok bool) {
	raw := data[c.from:c.to]
	from = c.from + len(raw) - len(bytes.TrimLeft(raw, Blanks))
	raw = bytes.TrimRight(data[from:c.to], Blanks)
	if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		raw = bytes.TrimRight(raw[:i], Blanks)
	}
	return from, from + len(raw), len(raw) > 0
}

// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"
	_ "embed" // reference.txt
	"fmt"
	"slices"
	"strings"
)

// Schema is the language as a RELAX NG schema in XML syntax, for editors and for
// xmllint. It knows elements, attributes and words; other rules for values, and
// rules that concern several of them, only Parse knows.
func Schema() []byte {
	s := &schema{}
	s.line(0, `<?xml version="1.0" encoding="UTF-8"?>`)
	s.line(0, `<!-- Made from the grammar of pkg/decl: carosbuild schema. -->`)
	s.line(0, `<grammar xmlns="http://relaxng.org/ns/structure/1.0" xmlns:a="http://relaxng.org/ns/compatibility/annotations/1.0">`)
	s.line(1, `<start>`)
	s.line(2, `<choice>`)
	for _, name := range append([]string{rootName}, grammar[rootName].kids...) {
		s.line(3, `<ref name="%s"/>`, name)
	}
	s.line(2, `</choice>`)
	s.line(1, `</start>`)
	for _, name := range sorted(grammar) {
		s.element(name, grammar[name])
	}
	s.line(0, `</grammar>`)
	return s.b.Bytes()
}

// schema is the text written so far.
type schema struct{ b bytes.Buffer }

func (s *schema) line(depth int, format string, args ...any) {
	for range depth {
		s.b.WriteString("  ")
	}
	fmt.Fprintf(&s.b, format+"\n", args...)
}

func (s *schema) element(name string, r rule) {
	s.line(1, `<define name="%s">`, name)
	s.line(2, `<element name="%s">`, name)
	s.documentation(3, name)
	if name == rootName || slices.Contains(grammar[rootName].kids, name) {
		s.line(3, `<zeroOrMore>`)
		s.line(4, `<attribute>`)
		s.line(5, `<nsName ns="%s"/>`, schemaInstance)
		s.line(4, `</attribute>`)
		s.line(3, `</zeroOrMore>`)
	}
	for _, a := range r.attrs {
		s.attribute(name, a)
	}
	switch {
	case len(r.kids) > 0:
		s.kids(r)
	case r.text != noText:
		s.line(3, `<text/>`)
	case len(r.attrs) == 0:
		s.line(3, `<empty/>`)
	}
	s.line(2, `</element>`)
	s.line(1, `</define>`)
}

func (s *schema) attribute(element string, a attrRule) {
	depth := 3
	if !a.required {
		s.line(depth, `<optional>`)
		depth++
	}
	words, list := allowed(a.check)
	s.line(depth, `<attribute name="%s">`, a.name)
	s.documentation(depth+1, element+" "+a.name)
	if words != nil {
		s.words(depth+1, words, list, a.required)
	}
	s.line(depth, `</attribute>`)
	if !a.required {
		s.line(3, `</optional>`)
	}
}

// manualTexts is what the manual says about each element and attribute: one line
// each, with ELEMENT or ELEMENT ATTRIBUTE, a tab and the text. TestReference makes
// it from the manual.
//
//go:embed reference.txt
var manualTexts string

// documentation is the text that an editor shows for an element or attribute.
func (s *schema) documentation(depth int, of string) {
	for line := range strings.Lines(manualTexts) {
		if text, ok := strings.CutPrefix(line, of+"\t"); ok {
			s.line(depth, `<a:documentation>%s</a:documentation>`, markup.Replace(strings.TrimSuffix(text, "\n")))
			return
		}
	}
}

var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// allowed returns the words that a check allows, and whether there may be several.
func allowed(c check) (words []string, list bool) {
	if c == nil {
		return nil, false
	}
	fl := c("\x00") // a value that no check allows
	if fl == nil {
		return nil, false
	}
	return fl.words, fl.part
}

// words writes a choice of the words or, if list is set, any number of them. An
// attribute that may be absent may also be empty.
func (s *schema) words(depth int, words []string, list, required bool) {
	if list {
		s.line(depth, `<list>`)
		s.line(depth+1, `<zeroOrMore>`)
		s.words(depth+2, words, false, true)
		s.line(depth+1, `</zeroOrMore>`)
		s.line(depth, `</list>`)
		return
	}
	s.line(depth, `<choice>`)
	if !required {
		s.line(depth+1, `<value/>`)
	}
	for _, w := range words {
		s.line(depth+1, `<value>%s</value>`, w)
	}
	s.line(depth, `</choice>`)
}

// kids writes elements in any order, some of them at most once.
func (s *schema) kids(r rule) {
	s.line(3, `<interleave>`)
	for _, k := range r.once {
		s.line(4, `<optional>`)
		s.line(5, `<ref name="%s"/>`, k)
		s.line(4, `</optional>`)
	}
	if len(r.once) < len(r.kids) {
		s.line(4, `<zeroOrMore>`)
		s.line(5, `<choice>`)
		for _, k := range r.kids {
			if !slices.Contains(r.once, k) {
				s.line(6, `<ref name="%s"/>`, k)
			}
		}
		s.line(5, `</choice>`)
		s.line(4, `</zeroOrMore>`)
	}
	s.line(3, `</interleave>`)
}

// sorted returns the keys of a map in order.
func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

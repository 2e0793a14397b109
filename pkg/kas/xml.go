// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// writer writes XML, and remembers where each line comes from.
type writer struct {
	text    strings.Builder
	lines   int
	origins map[int]finding.Span
}

// line writes one line, or several that come from the same place.
func (w *writer) line(at finding.Span, format string, args ...any) {
	s := fmt.Sprintf(format, args...) + "\n"
	for range strings.Count(s, "\n") {
		if w.lines++; at.File != "" {
			w.origins[w.lines] = at
		}
	}
	w.text.WriteString(s)
}

// conf writes a fragment of a file of bitbake's.
func (w *writer) conf(element string, at finding.Span, text string) {
	text = strings.TrimSuffix(text, "\n")
	if strings.ContainsAny(text, "<&") && !strings.Contains(text, "]]>") && xmltext.PlainText(text) {
		w.line(at, "  <%s><![CDATA[\n%s\n]]></%s>", element, text, element)
		return
	}
	w.line(at, "  <%s>\n%s\n</%s>", element, chars(text), element)
}

// chars escapes text for XML.
func chars(s string) string { return xmltext.EscapeText(s) }

// attr escapes a value for XML, between double quotes.
func attr(s string) string { return xmltext.EscapeAttr(s) }

// comment makes text fit for a comment.
func comment(s string) string { return xmltext.EscapeComment(s) }

// Relocate replaces the places of generated lines, in a declaration and in findings, by
// the places in the project that the lines come from.
func (x *Declaration) Relocate(source string, d *decl.Declaration, fs finding.Findings) {
	to := func(at *finding.Span) {
		if at.File != source {
			return
		}
		if o, ok := x.Origins[at.Line]; ok {
			*at = o
		}
	}
	for i := range fs {
		to(&fs[i].Span)
		for j := range fs[i].Notes {
			to(&fs[i].Notes[j].Span)
		}
	}
	for i := range d.Remotes {
		to(&d.Remotes[i].Span)
	}
	if d.Base != nil {
		to(&d.Base.Span)
	}
	for i := range d.Layers {
		to(&d.Layers[i].Span)
	}
	if d.BBLayers != nil {
		to(&d.BBLayers.Span)
	}
	for _, all := range [][]decl.LocalConf{d.LocalConf, d.BBLayersConf} {
		for i := range all {
			to(&all[i].Span)
		}
	}
	for _, s := range d.Stages {
		to(&s.Span)
		to(&s.PrestageSpan)
		for _, a := range s.Actions {
			to(&a.Written().Span)
		}
	}
	for i := range d.Artifacts {
		to(&d.Artifacts[i].Span)
	}
}

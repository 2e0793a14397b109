// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Bounds of one file: values count again for each alias that refers to them.
const (
	maxFileSize = 1 << 20
	maxNodes    = 100_000
	maxKeys     = 5000 // of a mapping
	maxDepth    = 64
)

// kind is the type of a value.
type kind int

const (
	null kind = iota
	boolean
	integer
	float
	text
	list
	mapping
)

// String is the name of the kind in messages.
func (k kind) String() string {
	return [...]string{"nothing", "a boolean", "an integer", "a number", "a string", "a list", "a mapping"}[k]
}

// node is a value of a file, with its place.
type node struct {
	kind  kind
	text  string // value of a scalar
	items []*node
	pairs []pair // of a mapping; keys are unique
	at    finding.Span
}

type pair struct {
	key   string
	at    finding.Span
	value *node
}

// get returns the value of a key, or nil.
func (n *node) get(keys ...string) *node {
	for _, k := range keys {
		if n == nil {
			return nil
		}
		i := slices.IndexFunc(n.pairs, func(p pair) bool { return p.key == k })
		if i < 0 {
			return nil
		}
		n = n.pairs[i].value
	}
	return n
}

// str returns the text of a string, or "" for other values.
func (n *node) str() string {
	if n == nil || n.kind != text {
		return ""
	}
	return n.text
}

// yes reports whether a value is the boolean true.
func (n *node) yes() bool {
	return n != nil && n.kind == boolean && (n.text == "true" || n.text == "yes" || n.text == "on")
}

// put sets a key. A key that exists keeps its position in the order.
func (n *node) put(p pair) {
	i := slices.IndexFunc(n.pairs, func(o pair) bool { return o.key == p.key })
	if i < 0 {
		n.pairs = append(n.pairs, p)
		return
	}
	n.pairs[i] = p
}

// parser makes nodes from one file.
type parser struct {
	file  string
	data  []byte
	lines int // number of lines in data, once counted
	nodes int
	rep   *report
}

// mistake is an error that ends the reading of a file.
type mistake struct {
	at   finding.Span
	text string
	hint string
}

func (m *mistake) Error() string { return m.text }

func (p *parser) span(line, col, length int) finding.Span {
	if p.lines == 0 {
		p.lines = bytes.Count(p.data, []byte("\n")) + 1
	}
	if line > p.lines { // the YAML module may give a place after the end
		line, col = p.lines, 1
	}
	return finding.Span{File: p.file, Line: max(line, 1), Col: max(col, 1), Len: max(length, 1)}
}

// parseYAML reads a file that is one YAML document. The error is a *mistake.
func (p *parser) parseYAML() (n *node, err error) {
	if !utf8.Valid(p.data) {
		return nil, &mistake{p.span(1, 1, 1), "the file is not UTF-8", ""}
	}
	if bytes.Count(p.data, []byte{','})+bytes.Count(p.data, []byte{'\n'}) > 2*maxNodes { // it would take the module seconds
		return nil, &mistake{p.span(1, 1, 1), fmt.Sprintf("more than %d values or lines", maxNodes), ""}
	}
	defer func() { // the module's parser can panic on hostile bytes
		if r := recover(); r != nil {
			n, err = nil, &mistake{p.span(1, 1, 1), "the file cannot be read as YAML", ""}
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(string(p.data)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, &mistake{p.span(1, 1, 1), "the file is empty", ""}
	} else if err != nil {
		return nil, p.syntax(err)
	}
	if err := dec.Decode(&more); err == nil {
		return nil, &mistake{p.span(more.Line, more.Column, 1), "a second document; a project file has one", ""}
	} else if !errors.Is(err, io.EOF) {
		return nil, p.syntax(err)
	}
	return p.convert(doc.Content[0], 0)
}

var yamlError = lazyregexp.New(`^yaml: (?:line (\d+): )?(.*)`)

// syntax converts an error of the YAML module, which names a line.
func (p *parser) syntax(err error) error {
	line, what, _ := strings.Cut(err.Error(), "\n")
	if m := yamlError().FindStringSubmatch(line); m != nil {
		n, _ := strconv.Atoi(m[1])
		hint := ""
		for _, i := range []int{n - 1, n} { // the module names the line, or the one before it
			if all := bytes.Split(p.data, []byte("\n")); i >= 0 && i < len(all) && bytes.HasPrefix(bytes.TrimLeft(all[i], " "), []byte("\t")) {
				n, hint = i+1, "indent with blanks, not tabs"
				break
			}
		}
		return &mistake{p.span(n, 1, 1), "not YAML: " + m[2], hint}
	}
	return &mistake{p.span(1, 1, 1), "not YAML: " + line + what, ""}
}

func (p *parser) count(at finding.Span, depth int) error {
	if p.nodes++; p.nodes > maxNodes {
		return &mistake{at, fmt.Sprintf("more than %d values, counting what aliases stand for", maxNodes), ""}
	}
	if depth > maxDepth {
		return &mistake{at, fmt.Sprintf("nested more than %d levels deep", maxDepth), ""}
	}
	return nil
}

func (p *parser) convert(y *yaml.Node, depth int) (*node, error) {
	at := p.span(y.Line, y.Column, 1)
	if err := p.count(at, depth); err != nil {
		return nil, err
	}
	n := &node{at: at}
	switch y.Kind {
	case yaml.AliasNode:
		return p.convert(y.Alias, depth+1)
	case yaml.SequenceNode:
		n.kind = list
		for _, c := range y.Content {
			item, err := p.convert(c, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		return n, nil
	case yaml.MappingNode:
		n.kind = mapping
		return n, p.convertMapping(n, y, depth)
	}
	n.kind, n.text = scalar(y)
	n.at.Len = width(y)
	return n, nil
}

// width is how many characters of its first line a scalar has.
func width(y *yaml.Node) int {
	first, _, _ := strings.Cut(y.Value, "\n")
	n := utf8.RuneCountInString(first)
	if y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		n += 2
	}
	if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		n = 1
	}
	return max(n, 1)
}

// convertMapping fills a mapping: first with the keys of merge keys, then with its
// own.
func (p *parser) convertMapping(n *node, y *yaml.Node, depth int) error {
	var own []pair
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		at := p.span(k.Line, k.Column, width(k))
		if k.Kind != yaml.ScalarNode {
			return &mistake{at, "a key that is not a plain word", ""}
		}
		v, err := p.convert(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if k.ShortTag() == "!!merge" {
			if err := merged(n, v); err != nil {
				return err
			}
			continue
		}
		own = append(own, pair{k.Value, at, v})
	}
	seen := map[string]finding.Span{}
	for _, o := range own {
		if first, twice := seen[o.key]; twice {
			p.rep.Warn(o.at, "", "%s is given twice; the last one counts", finding.Quote(o.key)).Notes = []finding.Note{{Span: first, Text: "the first one is here"}}
		}
		seen[o.key] = o.at
		if n.put(o); len(n.pairs) > maxKeys {
			return tooManyKeys(n)
		}
	}
	return nil
}

func tooManyKeys(n *node) error {
	return &mistake{n.at, fmt.Sprintf("a mapping with more than %d entries", maxKeys), ""}
}

// merged takes over the keys of a merge key's value. If that is several mappings,
// an earlier one takes precedence.
func merged(n, v *node) error {
	all := []*node{v}
	if v.kind == list {
		all = v.items
	}
	for _, m := range all {
		if m.kind != mapping {
			return &mistake{m.at, "a merge key needs a mapping", ""}
		}
		for _, p := range m.pairs {
			if n.get(p.key) == nil {
				n.put(p)
			}
			if len(n.pairs) > maxKeys {
				return tooManyKeys(m)
			}
		}
	}
	return nil
}

var (
	yamlBool  = lazyregexp.New(`^(?i:yes|no|true|false|on|off)$`)
	yamlInt   = lazyregexp.New(`^[-+]?(0|[1-9][0-9_]*|0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)$`)
	yamlFloat = lazyregexp.New(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$`)
)

// scalar interprets a scalar as YAML 1.1, as kas does.
func scalar(y *yaml.Node) (kind, string) {
	plain := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case !plain || y.Style&yaml.TaggedStyle != 0 && y.ShortTag() == "!!str":
		return text, y.Value
	case y.Value == "" || y.Value == "~" || strings.EqualFold(y.Value, "null"):
		return null, ""
	case yamlBool().MatchString(y.Value):
		return boolean, strings.ToLower(y.Value)
	case yamlInt().MatchString(y.Value):
		return integer, strings.ReplaceAll(y.Value, "_", "")
	case yamlFloat().MatchString(y.Value):
		return float, y.Value
	}
	return text, y.Value
}

// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Variable is a use of a variable in the words of an action.
type Variable struct {
	Name string
	Span finding.Span
}

// Lookup returns the value of a variable; ok is false if it is not set.
type Lookup func(name string) (value string, ok bool)

// template is a word with variables in it, with the syntax of a Dockerfile: $NAME,
// ${NAME}, ${NAME:-word} (word where NAME is not set or empty), ${NAME:+word} (word
// where it is set and not empty), and both without the colon, where an empty value
// counts as set. A dollar sign after the byte literal stands for itself; so does
// one that no name follows.
type template struct {
	word    string
	literal byte
	value   Lookup
	use     func(name string, from, to int, ok bool) // is called for each use; from and to are offsets

	pos  int
	flaw *flaw
}

var nameStart = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*`)

const badVariable = "$NAME, ${NAME}, ${NAME:-default} and ${NAME:+other} are known"

// fill returns the text, filled in, up to the end of the word or, if nested, the
// next closing brace.
func (t *template) fill(nested bool) string {
	var b strings.Builder
	for t.pos < len(t.word) && t.flaw == nil {
		c, rest := t.word[t.pos], t.word[t.pos+1:]
		switch {
		case c == '}' && nested:
			return b.String()
		case c == t.literal && (strings.HasPrefix(rest, "$") || nested && strings.HasPrefix(rest, "}")):
			b.WriteByte(rest[0])
			t.pos += 2
		case c == '$' && strings.HasPrefix(rest, "{"):
			b.WriteString(t.braces())
		case c == '$' && nameStart().MatchString(rest):
			name := nameStart().FindString(rest)
			at := t.pos
			t.pos += 1 + len(name)
			v, ok := t.value(name)
			t.use(name, at, t.pos, ok)
			b.WriteString(v)
		default:
			b.WriteByte(c)
			t.pos++
		}
	}
	return b.String()
}

// braces returns the value of an expression ${...}.
func (t *template) braces() string {
	at := t.pos
	name := nameStart().FindString(t.word[at+2:])
	t.pos += 2 + len(name)
	op := ""
	for _, o := range []string{"}", ":-", ":+", "-", "+"} {
		if op == "" && strings.HasPrefix(t.word[t.pos:], o) {
			op = o
		}
	}
	t.pos += len(op)
	switch {
	case t.pos == len(t.word) && op != "}":
		t.flaw = &flaw{from: at, to: at + 2, text: "this ${ is not closed", hint: badVariable}
		return ""
	case name == "" || op == "":
		t.flaw = &flaw{from: at, to: t.pos + 1, text: "this is not the use of a variable", hint: badVariable}
		return ""
	}
	v, ok := t.value(name)
	if op == "}" {
		t.use(name, at, t.pos, ok)
		return v
	}
	set := ok && (v != "" || op[0] != ':')
	wants := strings.HasSuffix(op, "+") == set // the word of the expression is used
	use := t.use
	if !wants {
		t.use = func(string, int, int, bool) {}
	}
	word := t.fill(true)
	t.use = use
	if t.flaw == nil && t.pos == len(t.word) {
		t.flaw = &flaw{from: at, to: at + 2, text: "this ${ is not closed", hint: badVariable}
		return ""
	}
	t.pos++
	switch {
	case wants:
		return word
	case strings.HasSuffix(op, "+"):
		return ""
	}
	return v
}

// Fill fills in the variables of a value of ENV. A variable that is not set is
// empty, as in a Dockerfile.
func (v EnvVar) Fill(value Lookup) string {
	if !v.Expand {
		return v.Value
	}
	t := template{word: v.Value, literal: '$', value: value, use: func(string, int, int, bool) {}}
	return t.fill(false)
}

// variables notes the variables of a word that has a path or a user in it, and
// reports whether there are any.
func (s *stageBuilder) variables(uses *[]Variable, w xmltext.Text) bool {
	found := false
	t := template{word: w.S, literal: '\\', value: func(string) (string, bool) { return "", false }}
	t.use = func(name string, from, to int, _ bool) {
		found = true
		*uses = append(*uses, Variable{name, w.Place(from, to).Span()})
	}
	t.fill(false)
	if t.flaw != nil {
		s.rep.Errorf(w.Place(t.flaw.from, min(t.flaw.to, len(w.S))), t.flaw.hint, "%s", t.flaw.text)
		return true
	}
	return found || strings.Contains(w.S, "${")
}

// Expanded is an action with the variables of its paths and users filled in. A
// variable that is not set and has no default is a finding, as is a result that is
// not a path or user.
func Expanded(a Action, value Lookup) (Action, finding.Findings) {
	switch do := a.(type) {
	case *Copy:
		f := &filler{at: do.Span, uses: do.Variables, value: value}
		return f.copy(*do), f.fs
	case *Workdir:
		f := &filler{at: do.Span, uses: do.Variables, value: value}
		out := *do
		if out.Dir = f.fill(out.Dir); f.changed() {
			f.checkNames(out.Dir)
			f.checkPath(out.Dir)
		}
		return &out, f.fs
	case *User:
		f := &filler{at: do.Span, uses: do.Variables, value: value}
		out := *do
		if out.Name = f.fill(out.Name); f.changed() {
			f.checkNames(out.Name)
			if !owner().MatchString(out.Name) {
				f.bad(finding.QuoteValue(out.Name) + " is not a user")
			}
		}
		return &out, f.fs
	}
	return a, nil
}

// filler fills in the variables of one action, and then checks the words as the
// parser checks words without variables.
type filler struct {
	at    finding.Span
	uses  []Variable
	value Lookup
	fs    finding.Findings
}

func (f *filler) fill(word string) string {
	t := template{word: word, literal: '\\', value: f.value}
	t.use = func(name string, _, _ int, ok bool) {
		if !ok {
			f.fs = append(f.fs, f.unset(name))
		}
	}
	return t.fill(false)
}

// unset is the finding about a variable without a value.
func (f *filler) unset(name string) finding.Finding {
	at := f.at
	for _, v := range f.uses {
		if v.Name == name {
			at = v.Span
			break
		}
	}
	return finding.Finding{
		Span: at, Summary: "the variable " + finding.QuoteValue(name) + " is not set here",
		Hint: "set it by ENV before, give a default by ${" + name + ":-...}, or write \\$ for a dollar sign",
	}
}

// changed reports whether the words have to be checked again.
func (f *filler) changed() bool { return len(f.fs) == 0 && len(f.uses) > 0 }

func (f *filler) bad(text string) {
	f.fs = append(f.fs, finding.Finding{Span: f.at, Summary: "with its variables filled in, " + text})
}

func (f *filler) checkNames(names ...string) {
	if slices.Contains(names, "") {
		f.bad("a name is empty")
	}
}

func (f *filler) checkPath(p string) {
	if strings.HasPrefix(p, "/") && climbs(p) {
		f.bad("path " + finding.QuoteValue(p) + " climbs out of the root with ..")
	}
}

func (f *filler) copy(c Copy) *Copy {
	c.Sources = slices.Clone(c.Sources)
	for i, src := range c.Sources {
		c.Sources[i] = f.fill(src)
	}
	c.Dest, c.Chown, c.Chmod = f.fill(c.Dest), f.fill(c.Chown), f.fill(c.Chmod)
	if !f.changed() {
		return &c
	}
	f.checkNames(slices.Concat(c.Sources, []string{c.Dest})...)
	for _, src := range c.Sources {
		if climbs(src) {
			f.bad("source " + finding.QuoteValue(src) + " climbs out with ..")
		}
	}
	f.checkPath(c.Dest)
	if c.Chown != "" && !owner().MatchString(c.Chown) {
		f.bad(finding.QuoteValue(c.Chown) + " is not an owner")
	}
	if c.Chmod != "" {
		if fl := checkMode(c.Chmod); fl != nil {
			f.bad(finding.QuoteValue(c.Chmod) + " " + fl.text)
		}
	}
	return &c
}

// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

var (
	variable = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	dollar   = lazyregexp.New(`^\$([A-Za-z_]|\{)`)
)

// env handles ENV: pairs such as A=b C="d e", or one variable as in ENV A b c.
func (s *stageBuilder) env(arg xmltext.Text) (vars []EnvVar) {
	words := arg.Words()
	if first := words[0]; !strings.Contains(first.S, "=") {
		rest := arg.Sub(len(first.S), len(arg.S)).Trim()
		if rest.S == "" {
			s.rep.Errorf(first.Place(0, len(first.S)), "write ENV "+first.S+"=...", "ENV has no value for %s", finding.QuoteValue(first.S))
			return nil
		}
		s.variable(&vars, first, rest)
		return vars
	}
	for pos := 0; pos < len(arg.S); {
		if strings.IndexByte(xmltext.Blanks, arg.S[pos]) >= 0 {
			pos++
			continue
		}
		if strings.HasPrefix(arg.S[pos:], "\\\n") { // continues on the next line
			pos += 2
			continue
		}
		end := wordEnd(arg.S, pos)
		w := arg.Sub(pos, end)
		pos = end
		eq := strings.IndexByte(w.S, '=')
		if eq < 0 {
			s.rep.Errorf(w.Place(0, len(w.S)), "write NAME=VALUE, with quotes around blanks", "ENV has no value for %s", finding.QuoteValue(w.S))
			return vars
		}
		s.variable(&vars, w.Sub(0, eq), w.Sub(eq+1, len(w.S)))
	}
	return vars
}

// wordEnd returns the end of the word that begins at i. White space inside quotes,
// or after a backslash, is part of the word.
func wordEnd(v string, i int) int {
	var inside byte
	for ; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && inside != '\'' && i+1 < len(v):
			i++
		case inside != 0:
			if c == inside {
				inside = 0
			}
		case c == '"' || c == '\'':
			inside = c
		case strings.IndexByte(xmltext.Blanks, c) >= 0:
			return i
		}
	}
	return len(v)
}

// variable adds one variable; value may have quotes in it.
func (s *stageBuilder) variable(vars *[]EnvVar, name, value xmltext.Text) {
	if !variable().MatchString(name.S) {
		s.rep.Errorf(name.Place(0, len(name.S)), "letters, digits and _, not beginning with a digit", "%s is not the name of a variable", finding.QuoteValue(name.S))
		return
	}
	v := EnvVar{Name: name.S}
	fl := v.unquote(value.S)
	if fl != nil {
		s.rep.Errorf(value.Place(fl.from, fl.to), fl.hint, "%s", fl.text)
		return
	}
	*vars = append(*vars, v)
}

// unquote sets Value and Expand from the text as written.
func (v *EnvVar) unquote(w string) *flaw {
	var b strings.Builder // with $$ for a dollar sign that stands for itself
	var inside byte
	opened := 0
	for i := 0; i < len(w); i++ {
		c := w[i]
		switch {
		case c == '\\' && inside != '\'' && i+1 < len(w):
			i++
			switch {
			case w[i] == '\n':
				continue
			case w[i] == '$':
				b.WriteByte('$')
			case inside == '"' && w[i] != '"' && w[i] != '\\':
				b.WriteByte('\\')
			}
			b.WriteByte(w[i])
			continue
		case inside == 0 && (c == '"' || c == '\''):
			inside, opened = c, i
			continue
		case c == inside:
			inside = 0
			continue
		case c == '$' && inside == '\'':
			b.WriteByte('$')
		case c == '$' && dollar().MatchString(w[i:]):
			if fl := braced(w[i:]); fl != nil {
				fl.from, fl.to = fl.from+i, fl.to+i
				return fl
			}
			v.Expand = true
		case c == '$':
			return &flaw{from: i, to: i + 1, text: `a bare "$" in a value of ENV`, hint: `write $NAME or ${NAME} for a variable, \$ for a dollar sign`}
		}
		b.WriteByte(c)
	}
	if inside != 0 {
		return &flaw{from: opened, to: opened + 1, text: "this quote is not closed"}
	}
	if v.Value = b.String(); !v.Expand {
		v.Value = strings.ReplaceAll(v.Value, "$$", "$")
	}
	return nil
}

// braced parses a use of a variable at the beginning of a text.
func braced(w string) *flaw {
	t := template{word: w, literal: '\\', value: func(string) (string, bool) { return "", false }, use: func(string, int, int, bool) {}}
	if strings.HasPrefix(w, "${") {
		t.braces()
	}
	return t.flaw
}

// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"fmt"
	"strings"
)

// A Stanza is one paragraph of a control file (Debian Policy 5.1): fields in
// order. Values are as written, continuation lines and blanks at the end too.
type Stanza []Field

// Field is one field of a Stanza.
type Field struct{ Name, Value string }

// Get is the value of a field whatever its case, without blanks around it; ""
// if absent.
func (s Stanza) Get(name string) string {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return strings.TrimSpace(f.Value)
		}
	}
	return ""
}

// maxFields of a paragraph: each is compared with all before it.
const maxFields = 1000

// ParseStanzas splits text into its paragraphs. Lines that begin with # are
// comments.
func ParseStanzas(text string) ([]Stanza, error) {
	var out []Stanza
	var cur Stanza
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		switch {
		case strings.TrimSpace(line) == "":
			if cur != nil {
				out, cur = append(out, cur), nil
			}
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if cur == nil {
				return nil, fmt.Errorf("line %d: continuation of no field", n)
			}
			cur[len(cur)-1].Value += "\n" + line
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok || name == "" || strings.ContainsAny(name, " \t") {
				return nil, fmt.Errorf("line %d: want FIELD: VALUE", n)
			}
			if cur.Has(name) {
				return nil, fmt.Errorf("line %d: field %s given twice", n, name)
			}
			if len(cur) == maxFields {
				return nil, fmt.Errorf("line %d: more than %d fields", n, maxFields)
			}
			cur = append(cur, Field{name, strings.TrimLeft(value, " \t")})
		}
	}
	if cur != nil {
		out = append(out, cur)
	}
	return out, nil
}

// Has says whether there is such a field, whatever its case.
func (s Stanza) Has(name string) bool {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// ParseStanza wants exactly one paragraph.
func ParseStanza(text string) (Stanza, error) {
	all, err := ParseStanzas(text)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("want one paragraph, got %d", len(all))
	}
	return all[0], nil
}

// String writes the paragraph with a newline after each field.
func (s Stanza) String() string {
	var b strings.Builder
	for _, f := range s {
		b.WriteString(f.Name)
		b.WriteByte(':')
		if !strings.HasPrefix(f.Value, "\n") {
			b.WriteByte(' ')
		}
		b.WriteString(f.Value)
		b.WriteByte('\n')
	}
	return b.String()
}

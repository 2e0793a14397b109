// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"fmt"
	"strings"
)

// A stanza is one paragraph of a control file (Debian Policy 5.1): fields in
// order. Values are as written, continuation lines and blanks at the end too.
type stanza []field

type field struct{ Name, Value string }

// get is the value of a field whatever its case, without blanks around it; ""
// if absent.
func (s stanza) get(name string) string {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return strings.TrimSpace(f.Value)
		}
	}
	return ""
}

// parseStanzas splits text into its paragraphs. Lines that begin with # are
// comments.
func parseStanzas(text string) ([]stanza, error) {
	var out []stanza
	var cur stanza
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
			if cur.has(name) {
				return nil, fmt.Errorf("line %d: field %s given twice", n, name)
			}
			cur = append(cur, field{name, strings.TrimLeft(value, " \t")})
		}
	}
	if cur != nil {
		out = append(out, cur)
	}
	return out, nil
}

func (s stanza) has(name string) bool {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// parseStanza wants exactly one paragraph.
func parseStanza(text string) (stanza, error) {
	all, err := parseStanzas(text)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("want one paragraph, got %d", len(all))
	}
	return all[0], nil
}

// String writes the paragraph with a newline after each field.
func (s stanza) String() string {
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

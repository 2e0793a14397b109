// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// relationFields are those that name other packages with versions.
var relationFields = map[string]bool{
	"depends": true, "pre-depends": true, "recommends": true, "suggests": true, "enhances": true,
	"breaks": true, "conflicts": true, "replaces": true, "provides": true,
}

func isRelation(field string) bool { return relationFields[strings.ToLower(field)] }

// ref is a versioned relation: NAME[:ARCH] (OP VERSION).
type ref struct{ field, name, op, version string }

// refRE finds one; any number of them, with commas, bars and line breaks
// between and in them, make up a field.
var refRE = lazyregexp.New(`([A-Za-z0-9][A-Za-z0-9+._-]*)((?::[A-Za-z0-9-]+)?\s*\(\s*)(<<|<=|=|>=|>>|<|>)(\s*)([^\s(),|<=>]+)`)

// replaceVersions gives each versioned relation in text the version that f
// returns. Everything else stays as it is, to the byte.
func replaceVersions(text, field string, f func(ref) string) string {
	var b strings.Builder
	at := 0
	for _, m := range refRE().FindAllStringSubmatchIndex(text, -1) {
		v := f(ref{field, text[m[2]:m[3]], text[m[6]:m[7]], text[m[10]:m[11]]})
		b.WriteString(text[at:m[10]])
		b.WriteString(v)
		at = m[11]
	}
	b.WriteString(text[at:])
	return b.String()
}

// rewriteControl is replaceVersions on the relation fields of a control file.
func rewriteControl(text string, f func(ref) string) string {
	var b strings.Builder
	var field strings.Builder // a field with its continuation lines
	name := ""
	flush := func() {
		if isRelation(name) {
			b.WriteString(name)
			b.WriteString(replaceVersions(field.String()[len(name):], name, f))
		} else {
			b.WriteString(field.String())
		}
		field.Reset()
	}
	for line := range strings.Lines(text) {
		if line[0] != ' ' && line[0] != '\t' {
			flush()
			name, _, _ = strings.Cut(line, ":")
		}
		field.WriteString(line)
	}
	flush()
	return b.String()
}

// refs are the versioned relations of a package, its fields in the order of
// their names.
func refs(s debfile.Stanza) []ref {
	var out []ref
	for _, f := range byName(s) {
		if isRelation(f.Name) {
			replaceVersions(f.Value, f.Name, func(r ref) string {
				out = append(out, r)
				return r.version
			})
		}
	}
	return out
}

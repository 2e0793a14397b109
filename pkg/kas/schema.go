// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// newest is the highest known version of the format: that of kas 5.4.
const newest = 23

// shape describes the allowed form of a value.
type shape struct {
	kinds    []kind
	fields   map[string]shape // of a mapping whose keys are fixed
	each     *shape           // of a mapping with keys of the project's choice, or of a list
	required []string
	words    []string // allowed values of a string
	most     int      // of an integer; the minimum is its negative
}

var (
	aString    = shape{kinds: []kind{text}}
	orNothing  = shape{kinds: []kind{text, null}}
	stringList = shape{kinds: []kind{list}, each: &aString}
)

func fixed(fields map[string]shape, required ...string) shape {
	return shape{kinds: []kind{mapping}, fields: fields, required: required}
}

func free(each shape) shape { return shape{kinds: []kind{mapping}, each: &each} }

// or allows nothing, too.
func (s shape) or(kinds ...kind) shape {
	s.kinds = append(slices.Clone(s.kinds), kinds...)
	return s
}

// excluded are the words that disable a layer; all but the first are deprecated.
var excluded = []string{"disabled", "excluded", "n", "no", "0", "false"}

var repoShape = fixed(map[string]shape{
	"name": aString, "url": orNothing, "type": {kinds: []kind{text}, words: []string{"git", "hg"}},
	"commit": aString, "branch": orNothing, "tag": orNothing, "refspec": aString,
	"signed": {kinds: []kind{boolean}}, "allowed_signers": stringList, "path": orNothing,
	"layers": free(shape{
		kinds: []kind{null, text, boolean, integer, mapping}, words: excluded,
		fields: map[string]shape{"prio": {kinds: []kind{integer}, most: 99}},
	}),
	"patches": free(fixed(map[string]shape{"repo": aString, "path": aString}, "path").or(null)),
}).or(null)

// fileShape is a project file as a whole, as versions 1 to newest have it.
var fileShape = fixed(map[string]shape{
	"header": fixed(map[string]shape{
		"version": {kinds: []kind{integer, text}},
		"includes": {kinds: []kind{list}, each: &shape{
			kinds: []kind{text, mapping}, fields: map[string]shape{"repo": aString, "file": aString}, required: []string{"repo", "file"},
		}},
	}, "version"),
	"build_system": {kinds: []kind{text}, words: []string{"openembedded", "oe", "isar", "isar-privileged", "isar-rootless"}},
	"defaults": fixed(map[string]shape{"repos": fixed(map[string]shape{
		"branch": aString, "tag": aString, "refspec": aString, "patches": fixed(map[string]shape{"repo": aString}),
	})}),
	"overrides": fixed(map[string]shape{"repos": free(fixed(map[string]shape{"branch": orNothing, "commit": orNothing, "url": aString}))}),
	"machine":   aString, "distro": aString, "task": aString,
	"env":    free(orNothing),
	"target": {kinds: []kind{text, list}, each: &aString},
	"repos":  free(repoShape),

	"bblayers_conf_header": free(aString), "local_conf_header": free(aString),
	"proxy_config":       fixed(map[string]shape{"http_proxy": aString, "https_proxy": aString, "ftp_proxy": aString, "no_proxy": aString}),
	"menu_configuration": free(shape{kinds: []kind{boolean, text, integer}}),
	"artifacts":          free(aString),
	"signers": free(fixed(map[string]shape{
		"type": {kinds: []kind{text}, words: []string{"gpg", "ssh"}}, "repo": aString, "path": aString, "fingerprint": aString, "gpg_keyserver": aString,
	})),
	"_source_dir": aString, "_source_dir_host": aString,
	"buildtools": fixed(map[string]shape{"version": aString, "sha256sum": aString, "base_url": aString, "filename": aString}, "version", "sha256sum"),
}, "header")

// oneOf is the name of an entry of a mapping in messages.
var oneOf = map[string]string{"repos": "repository", "layers": "layer", "patches": "patch", "artifacts": "artifact", "signers": "signer"}

// check compares a value with its shape; name is used in messages.
func (r *report) check(n *node, s shape, name string) {
	if !slices.Contains(s.kinds, n.kind) {
		r.wrongKind(n, s, name)
		return
	}
	switch n.kind {
	case mapping:
		r.checkMapping(n, s, name)
	case list:
		for _, item := range n.items {
			r.check(item, *s.each, "an item of "+name)
		}
	case text, boolean, integer:
		r.checkScalar(n, s, name)
	}
}

func (r *report) wrongKind(n *node, s shape, name string) {
	hint := ""
	if name == "header" && n.kind == null {
		r.Fail(n.at, "", "header is empty; it needs version: 14")
		return
	}
	if n.kind < text && n.kind != null && slices.Contains(s.kinds, text) {
		hint = "put it into quotes: \"" + n.text + "\""
	}
	var may []string
	for _, k := range s.kinds {
		may = append(may, k.String())
	}
	r.Fail(n.at, hint, "%s must be %s, not %s", name, strings.Join(may, " or "), n.kind)
}

func (r *report) checkMapping(n *node, s shape, name string) {
	for _, p := range n.pairs {
		switch f, ok := s.fields[p.key]; {
		case ok:
			r.check(p.value, f, p.key)
		case s.each != nil:
			r.check(p.value, *s.each, cmp.Or(oneOf[name], name)+" "+finding.Quote(p.key))
		default:
			known := slices.Sorted(maps.Keys(s.fields))
			hint := "known entries are " + words.List(known)
			if c := words.DidYouMean(p.key, known); c != "" {
				hint = c
			} else if len(known) > 12 {
				hint = ""
			}
			if name != "" {
				r.Fail(p.at, hint, "unknown entry %s of %s", finding.Quote(p.key), name)
			} else {
				r.Fail(p.at, hint, "unknown entry %s", finding.Quote(p.key))
			}
		}
	}
	for _, key := range s.required {
		if n.get(key) == nil {
			r.Fail(n.at, "", "%s has no %s", name, key)
		}
	}
}

func (r *report) checkScalar(n *node, s shape, name string) {
	switch {
	case s.most > 0:
		if v, err := strconv.Atoi(n.text); err != nil || v < -s.most || v > s.most {
			r.Fail(n.at, "", "%s %s is not a number of %d to %d", name, finding.Quote(n.text), -s.most, s.most)
		}
	case n.kind == boolean && len(s.words) > 0 && !n.yes():
	case len(s.words) > 0 && !slices.Contains(s.words, n.text):
		hint := "use one of " + words.List(s.words)
		if c := words.DidYouMean(n.text, s.words); c != "" {
			hint = c
		}
		r.Fail(n.at, hint, "%s %s is not known", name, finding.Quote(n.text))
	}
}

// checkFile checks a project file against the format, and returns its version.
func (r *report) checkFile(n *node) (version int) {
	if n.get("header") == nil {
		r.Fail(n.at, "", `not a project of kas: there is no "header"`)
		return 0
	}
	r.check(n, fileShape, "")
	v := n.get("header", "version")
	if v == nil || v.kind != integer && v.kind != text {
		return 0
	}
	if v.kind == text && v.text == "0.10" {
		return 1
	}
	version, err := strconv.Atoi(v.text)
	switch {
	case err != nil || v.kind == text:
		r.Fail(v.at, "write an integer", "version %s is not a version of the format", finding.Quote(v.text))
	case version < 1:
		r.Fail(v.at, fmt.Sprintf("versions are 1 to %d", newest), "version %d of the format does not exist", version)
	case version > newest:
		r.Fail(v.at, "carosbuild reads the format of kas 5.4", "version %d of the format is newer than %d", version, newest)
	}
	return version
}

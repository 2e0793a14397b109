// SPDX-License-Identifier: MPL-2.0

package release

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultTemplate leaves names as they are.
const DefaultTemplate = "{name}.{ext}"

// NameFiles gives each of the sources its name in the release, by a template that
// knows values, and {name}, {ext} and {disk} of each. Disks are by the names that the
// build gave; other sources are noDisk's.
func NameFiles(sources []Source, template string, values, disks map[string]string, noDisk string) error {
	values = maps.Clone(values)
	for i := range sources {
		s := &sources[i]
		values["name"], values["ext"] = SplitName(s.Name)
		values["disk"] = cmp.Or(disks[s.Name], noDisk)
		of := template
		if values["ext"] == "" {
			of = strings.ReplaceAll(template, ".{ext}", "")
		}
		var err error
		if s.File, err = Expand(of, values); err != nil {
			return err
		}
	}
	return nil
}

// Expand replaces {NAME} in a template by the value of NAME. What comes out
// must be a plain file name.
func Expand(template string, values map[string]string) (string, error) {
	var b strings.Builder
	for rest := template; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		v, known := values[name]
		if !closed || !known {
			return "", fmt.Errorf("name template %q: {%s} is not known; known are %s", template, name, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
		}
		if v == "" {
			return "", fmt.Errorf("name template %q: {%s} has no value", template, name)
		}
		b.WriteString(v)
		rest = after
	}
	name := b.String()
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("name template %q: %w", template, err)
	}
	return name, nil
}

// checkName refuses what is not a plain name of a file, or what a release has of
// its own.
func checkName(name string) error {
	switch {
	case name == "" || name[0] == '.' || name[0] == '-' || len(name) > 255,
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '/' || r == 0x7f || r == '\uFFFD' }):
		return fmt.Errorf("%q is not a file name", name)
	case slices.Contains([]string{DataName, ManifestName, ChangesName, SumsName}, name):
		return fmt.Errorf("%q is a file of the release itself", name)
	}
	return nil
}

// around are endings of what is made of a file that has an ending already.
var around = []string{"gz", "xz", "zst", "bz2", "bmap", "sha256"}

// SplitName splits a file name where its ending begins: raw.zst.bmap of
// a.raw.zst.bmap, but ova of a.1.ova.
func SplitName(file string) (name, ext string) {
	name = filepath.Base(file)
	for {
		first, _, _ := strings.Cut(ext, ".")
		e := filepath.Ext(name)
		if len(e) < 2 || e == name || ext != "" && !slices.Contains(around, first) {
			return name, ext
		}
		name = strings.TrimSuffix(name, e)
		ext = strings.TrimSuffix(e[1:]+"."+ext, ".")
	}
}

// SPDX-License-Identifier: MPL-2.0

// Package decltest has declarations for the tests of other packages.
package decltest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl"
)

// Archives returns the archives whose names match a pattern, by name. There must be
// at least one.
func Archives(t testing.TB, pattern string) map[string]*txtar.Archive {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives %s: %v", pattern, err)
	}
	all := map[string]*txtar.Archive{}
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = ar
	}
	return all
}

// Parse parses a declaration with this text between <redo> and </redo>, which must
// have no mistakes. The file is called a.xml and is in a directory of the test.
func Parse(t testing.TB, text string) *decl.Declaration {
	t.Helper()
	src := decl.Source{Name: "a.xml", Dirs: []string{t.TempDir()}, Data: []byte("<redo>" + text + "</redo>")}
	d, findings := decl.Parse(src)
	if findings.HasErrors() {
		var b strings.Builder
		if err := findings.Render(&b, decl.Texts([]decl.Source{src}), false); err != nil {
			t.Fatal(err)
		}
		t.Fatal(b.String())
	}
	return d
}

// SPDX-License-Identifier: MPL-2.0

// Package decltest has declarations for the tests of other packages.
package decltest

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
)

// Parse is a declaration with this text between <redo> and </redo>, which must
// have no mistakes. Its file is a.xml in a folder of the test.
func Parse(t testing.TB, text string) *decl.Declaration {
	t.Helper()
	src := decl.Source{Name: "a.xml", Dirs: []string{t.TempDir()}, Data: []byte("<redo>" + text + "</redo>")}
	d, findings := decl.Parse(src)
	if findings.HasErrors() {
		var b strings.Builder
		if err := findings.Render(&b, []decl.Source{src}, false); err != nil {
			t.Fatal(err)
		}
		t.Fatal(b.String())
	}
	return d
}

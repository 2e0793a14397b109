// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/userns"
)

// ShowFindings prints warnings, once: the program inside the namespaces finds them,
// too.
func (a *App) ShowFindings(findings finding.Findings) error {
	switch {
	case len(findings) == 0 || userns.Inside(a.Getenv):
		return nil
	case a.AsJSON():
		for _, e := range findingEvents(findings) {
			a.Event(e)
		}
		return nil
	}
	return findings.Render(a.Stderr, decl.Texts(a.sources()), a.color())
}

// sources are all files that messages quote.
func (a *App) sources() []decl.Source { return slices.Concat(a.Files, a.Origins) }

// Inputs are the files that were read.
func (a *App) Inputs() []decl.Source {
	return slices.DeleteFunc(a.sources(), func(s decl.Source) bool { return strings.HasSuffix(s.Name, AsDeclaration) })
}

// AsDeclaration is appended to a project's name to name the declaration that is
// made from it. No file has that name.
const AsDeclaration = " (as a declaration)"

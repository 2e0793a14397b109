// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/userns"
)

// showFindings prints warnings, once: the program inside the namespaces finds
// them, too.
func (a *app) showFindings(findings decl.Findings) error {
	switch {
	case len(findings) == 0 || userns.Inside(a.getenv):
		return nil
	case a.asJSON():
		a.findingEvents(findings)
		return nil
	}
	return findings.Render(a.stderr, a.sources(), a.color())
}

// sources are all files that messages quote.
func (a *app) sources() []decl.Source { return slices.Concat(a.files, a.origins) }

// inputs are the files that were read.
func (a *app) inputs() []decl.Source {
	return slices.DeleteFunc(a.sources(), func(s decl.Source) bool { return strings.HasSuffix(s.Name, asDeclaration) })
}

// asDeclaration is put behind a project's name to name the declaration that is
// made from it. No file has that name.
const asDeclaration = " (as a declaration)"

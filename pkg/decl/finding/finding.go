// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"slices"
)

// Severity tells a mistake from something that only looks like one.
type Severity int

// The severities. A declaration with an Error must not be built.
const (
	Error Severity = iota
	Warning
)

// String returns the word that findings are printed with.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Span is a place in a declaration file.
type Span struct {
	File string `json:"file"`
	Line int    `json:"line"` // 1-based
	Col  int    `json:"col"`  // 1-based, in characters; a tab counts as one
	Len  int    `json:"len"`  // in characters, at least 1; ends with the line
}

// Finding is one mistake in a declaration.
type Finding struct {
	Severity Severity
	Span     Span
	Summary  string // lower case, no full stop; may quote the input: escape it for a terminal
	Hint     string // how to mend it, or empty
	Notes    []Note
}

// Note is a further place that belongs to a finding.
type Note struct {
	Span Span
	Text string
}

// Findings are the mistakes of all files: in the order of the files, and by
// place in each of them.
type Findings []Finding

// HasErrors reports whether one of the findings is an Error.
func (fs Findings) HasErrors() bool {
	return slices.ContainsFunc(fs, func(f Finding) bool { return f.Severity == Error })
}

// tooMany stands for findings that were dropped.
const tooMany = "too many mistakes; the rest is not listed"

// Max bounds the work and the output that hostile input can cause.
const Max = 200

// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"cmp"
	"fmt"
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

// maxFindings bounds the work and the output that hostile input can cause.
const maxFindings = 200

// report collects findings while files are read, and sorts them.
type report struct {
	Collector
	places  []place // of the findings, in the same order
	dropped bool
}

// add returns a finding that is good until the next one.
func (r *report) add(s Severity, at place, hint, format string, args []any) *Finding {
	if r.full() {
		r.dropped = true
		return &Finding{}
	}
	r.places = append(r.places, at)
	return r.Collector.add(s, at.span(), hint, format, args)
}

func (r *report) errorf(at place, hint, format string, args ...any) *Finding {
	return r.add(Error, at, hint, format, args)
}

func (r *report) warnf(at place, hint, format string, args ...any) *Finding {
	return r.add(Warning, at, hint, format, args)
}

func (f *Finding) note(at place, format string, args ...any) {
	f.Notes = append(f.Notes, Note{Span: at.span(), Text: fmt.Sprintf(format, args...)})
}

func (r *report) findings() Findings {
	order := make([]int, len(r.All))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := r.places[a], r.places[b]
		return cmp.Or(cmp.Compare(x.file.index, y.file.index), cmp.Compare(x.from, y.from))
	})
	var fs Findings
	for _, i := range order {
		fs = append(fs, r.All[i])
	}
	if r.dropped {
		// An Error even if all others are warnings: what was dropped may have been one.
		fs = append(fs, Finding{Span: fs[len(fs)-1].Span, Summary: tooMany})
	}
	return fs
}

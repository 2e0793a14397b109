// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// report collects findings while files are read, and sorts them.
type report struct {
	finding.Collector
	places  []place // of the findings, in the same order
	dropped bool
}

// add returns a finding that is good until the next one.
func (r *report) add(s finding.Severity, at place, hint, format string, args []any) noted {
	if r.Full() {
		r.dropped = true
		return noted{&finding.Finding{}}
	}
	r.places = append(r.places, at)
	return noted{r.Add(s, at.span(), hint, fmt.Sprintf(format, args...))}
}

// drop notes that findings were left out.
func (r *report) drop() { r.dropped = true }

func (r *report) errorf(at place, hint, format string, args ...any) noted {
	return r.add(finding.Error, at, hint, format, args)
}

func (r *report) warnf(at place, hint, format string, args ...any) noted {
	return r.add(finding.Warning, at, hint, format, args)
}

// noted is a finding, for notes.
type noted struct{ *finding.Finding }

// note adds a further place.
func (f noted) note(at place, format string, args ...any) {
	f.Notes = append(f.Notes, finding.Note{Span: at.span(), Text: fmt.Sprintf(format, args...)})
}

func (r *report) findings() finding.Findings {
	order := make([]int, len(r.All))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return r.places[a].compare(r.places[b])
	})
	var fs finding.Findings
	for _, i := range order {
		fs = append(fs, r.All[i])
	}
	if r.dropped {
		// An Error even if all others are warnings: what was dropped may have been one.
		fs = append(fs, finding.TooMany(fs[len(fs)-1].Span))
	}
	return fs
}

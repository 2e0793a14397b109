// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Report collects findings while files are read, and sorts them.
type Report struct {
	finding.Collector
	places  []Place // of the findings, in the same order
	dropped bool
}

// add returns a finding, which is valid until the next call.
func (r *Report) add(s finding.Severity, at Place, hint, format string, args []any) Noted {
	if r.Full() {
		r.dropped = true
		return Noted{&finding.Finding{}}
	}
	r.places = append(r.places, at)
	return Noted{r.Add(s, at.Span(), hint, fmt.Sprintf(format, args...))}
}

// Drop notes that findings were left out.
func (r *Report) Drop() { r.dropped = true }

// Errorf notes a mistake, with the remedy or "".
func (r *Report) Errorf(at Place, hint, format string, args ...any) Noted {
	return r.add(finding.Error, at, hint, format, args)
}

// Warnf notes something that only looks like a mistake.
func (r *Report) Warnf(at Place, hint, format string, args ...any) Noted {
	return r.add(finding.Warning, at, hint, format, args)
}

// Noted is a finding to which notes can be added.
type Noted struct{ *finding.Finding }

// Note adds a further place.
func (f Noted) Note(at Place, format string, args ...any) {
	f.Notes = append(f.Notes, finding.Note{Span: at.Span(), Text: fmt.Sprintf(format, args...)})
}

// Findings returns the findings in the order of files and places.
func (r *Report) Findings() finding.Findings {
	order := make([]int, len(r.All))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return r.places[a].Compare(r.places[b])
	})
	var fs finding.Findings
	for _, i := range order {
		fs = append(fs, r.All[i])
	}
	if r.dropped {
		// An Error even if all others are warnings: a dropped one may have been an
		// error.
		fs = append(fs, finding.TooMany(fs[len(fs)-1].Span))
	}
	return fs
}

// SPDX-License-Identifier: MPL-2.0

package render

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/rendertest"
	"github.com/carosio/carosbuild/pkg/failure"
)

// Of a long output its end is shown, and of nothing nothing.
func TestFailedStep(t *testing.T) {
	r := &failure.Record{Build: "b", Stage: "s", Step: 1, Steps: 2, Kind: "RUN", Text: "make\n  all", Status: 2}
	var out strings.Builder
	FailedStep(&out, r)
	if want := "-: stage s of build b, step 1/2 failed: exit status 2\n  RUN make all\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
	r.Log, r.File, r.Line, r.Column = strings.Repeat("early\n", 100)+strings.Repeat("late\n", failedLines), "a.xml", 7, 3
	out.Reset()
	FailedStep(&out, r)
	if got := out.String(); strings.Contains(got, "early") || strings.Count(got, "  | late\n") != failedLines || !strings.HasPrefix(got, "a.xml:7:3: ") {
		t.Errorf("got %q", got)
	}
}

// What an image of anybody says is shown as text.
func TestFailedStepIsForeign(t *testing.T) {
	for _, name := range rendertest.Names() {
		var out strings.Builder
		FailedStep(&out, &failure.Record{Build: name, Stage: name, Step: 1, Steps: 2, Kind: name, Text: name, File: name, Line: 1, Status: 2, Log: name + "\n" + name})
		rendertest.CheckPrinted(t, "a failed step", out.String())
	}
}

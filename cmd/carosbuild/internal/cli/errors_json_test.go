// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
)

func TestJSONErrors(t *testing.T) {
	at := finding.Span{File: "a.xml", Line: 2, Col: 3, Len: 4}
	for _, c := range []struct {
		err    error
		status int
		want   []render.Event
	}{
		{Usagef("no"), ExitUsage, []render.Event{{Event: progress.Event{Text: "no"}}}},
		{&remedy.Error{Tried: "run arm", Err: errors.New("no"), Cure: "install it"}, ExitHost, []render.Event{{Event: progress.Event{Text: "run arm: no"}, Hint: "install it"}}},
		{
			&finding.ListError{Findings: finding.Findings{{Span: at, Summary: "one", Hint: "h"}, {Span: at, Summary: "two", Severity: finding.Warning}}}, ExitDeclaration,
			[]render.Event{
				{Event: progress.Event{Text: "one"}, File: "a.xml", Line: 2, Column: 3, Hint: "h"},
				{Event: progress.Event{Text: "two"}, File: "a.xml", Line: 2, Column: 3, Warning: true},
			},
		},
		{
			errors.Join(&plan.StepError{Stage: "s", Kind: "RUN", Span: at, Status: 7, Log: "/l", Tail: []string{"x"}, Image: "b:s-failure"}, errors.New("and this")), ExitFailed,
			[]render.Event{
				{Event: progress.Event{Stage: "s", Text: "RUN failed: exit status 7"}, File: "a.xml", Line: 2, Column: 3, Log: "/l", Image: "b:s-failure", Tail: []string{"x"}},
				{Event: progress.Event{Text: "and this"}},
			},
		},
	} {
		var out bytes.Buffer
		a := &App{Stderr: &out, Progress: "json", Getenv: func(string) string { return "" }}
		a.Divert()
		fmt.Fprintln(a.Stderr, "a line for a person")
		status := a.Report(c.err)
		a.ReportEnd(status)
		got := eventsOf(t, &out)
		for i := range got {
			got[i].Time = time.Time{}
		}
		want := []render.Event{{Event: progress.Event{Kind: progress.Note, Text: "a line for a person"}}}
		for _, e := range c.want {
			e.Kind = render.ErrorEvent
			want = append(want, e)
		}
		last := got[len(got)-1]
		if last.Kind != render.EndEvent || last.Exit == nil || *last.Exit != c.status || status != c.status {
			t.Errorf("%v: the end is %+v, want exit status %d", c.err, last, c.status)
		}
		if got = got[:len(got)-1]; !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got\n%+v\nwant\n%+v", c.err, got, want)
		}
	}
}

// eventsOf are the events in output with --progress=json.
func eventsOf(t *testing.T, out *bytes.Buffer) []render.Event {
	t.Helper()
	var all []render.Event
	for line := range strings.Lines(out.String()) {
		var e render.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind == "" {
			t.Fatalf("%q is not an event: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

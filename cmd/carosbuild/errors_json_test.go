// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
)

func TestJSONErrors(t *testing.T) {
	at := decl.Span{File: "a.xml", Line: 2, Col: 3, Len: 4}
	for _, c := range []struct {
		err    error
		status int
		want   []jsonEvent
	}{
		{usagef("no"), exitUsage, []jsonEvent{{Event: progress.Event{Text: "no"}}}},
		{&remedy.Error{Tried: "run arm", Err: errors.New("no"), Cure: "install it"}, exitHost, []jsonEvent{{Event: progress.Event{Text: "run arm: no"}, Hint: "install it"}}},
		{
			&decl.FindingsError{Findings: decl.Findings{{Span: at, Summary: "one", Hint: "h"}, {Span: at, Summary: "two", Severity: decl.Warning}}}, exitDeclaration,
			[]jsonEvent{
				{Event: progress.Event{Text: "one"}, File: "a.xml", Line: 2, Column: 3, Hint: "h"},
				{Event: progress.Event{Text: "two"}, File: "a.xml", Line: 2, Column: 3, Warning: true},
			},
		},
		{
			errors.Join(&plan.StepError{Stage: "s", Kind: "RUN", Span: at, Status: 7, Log: "/l", Tail: []string{"x"}, Image: "b:s-failure"}, errors.New("and this")), exitFailed,
			[]jsonEvent{
				{Event: progress.Event{Stage: "s", Text: "RUN failed: exit status 7"}, File: "a.xml", Line: 2, Column: 3, Log: "/l", Image: "b:s-failure", Tail: []string{"x"}},
				{Event: progress.Event{Text: "and this"}},
			},
		},
	} {
		var out bytes.Buffer
		a := &app{stderr: &out, progress: "json", getenv: func(string) string { return "" }}
		a.divert()
		fmt.Fprintln(a.stderr, "a line for a person")
		status := a.report(c.err)
		a.reportEnd(status)
		got := eventsOf(t, &out)
		for i := range got {
			got[i].Time = time.Time{}
		}
		want := []jsonEvent{{Event: progress.Event{Kind: progress.Note, Text: "a line for a person"}}}
		for _, e := range c.want {
			e.Kind = errorEvent
			want = append(want, e)
		}
		last := got[len(got)-1]
		if last.Kind != endEvent || last.Exit == nil || *last.Exit != c.status || status != c.status {
			t.Errorf("%v: the end is %+v, want exit status %d", c.err, last, c.status)
		}
		if got = got[:len(got)-1]; !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got\n%+v\nwant\n%+v", c.err, got, want)
		}
	}
}

// eventsOf are the lines of --progress=json.
func eventsOf(t *testing.T, out *bytes.Buffer) []jsonEvent {
	t.Helper()
	var all []jsonEvent
	for line := range strings.Lines(out.String()) {
		var e jsonEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind == "" {
			t.Fatalf("%q is not an event: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// readEvents are the lines of --progress=json.
func readEvents(t *testing.T, out *bytes.Buffer) []jsonEvent {
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

// TestJSONProgressRate has two disks report a thousand times a second, for ten
// seconds.
func TestJSONProgressRate(t *testing.T) {
	var out bytes.Buffer
	d := newJSONDisplay(&out)
	now := time.Unix(100, 0)
	d.now = func() time.Time { return now }
	for i := range int64(10000) {
		now = now.Add(time.Millisecond)
		for _, name := range []string{"write a", "write b"} {
			d.show(progress.Event{Time: now, Kind: progress.Progress, Text: name, Done: i + 1, Total: 10000})
		}
	}
	d.show(progress.Event{Kind: progress.ProgressEnd, Text: "write a"}) // it has ended
	n, ends := map[string]int{}, 0
	for _, e := range readEvents(t, &out) {
		switch e.Kind {
		case progress.Progress:
			n[e.Text]++
		case progress.ProgressEnd:
			ends++
			if e.Done != e.Total {
				t.Errorf("the end of %s is at %d of %d", e.Text, e.Done, e.Total)
			}
		}
	}
	if n["write a"]+n["write b"] > 101 || n["write a"] < 40 || n["write b"] < 40 || ends != 2 {
		t.Errorf("lines of progress in ten seconds: %v, want 50 each; %d ends, want 2", n, ends)
	}
}

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
		got := readEvents(t, &out)
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

// TestProgressPage compares docs/progress.md with the kinds and fields that there are.
func TestProgressPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/progress.md")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{
		string(progress.Begun), string(progress.StageStarted), string(progress.StageDone), string(progress.StepCached), string(progress.StepStarted), string(progress.StepOutput),
		string(progress.StepDone), string(progress.Progress), string(progress.ProgressEnd), string(progress.Note),
		string(imageEvent), string(outputEvent), string(errorEvent), string(endEvent),
	}
	for _, of := range []reflect.Type{reflect.TypeFor[progress.Event](), reflect.TypeFor[jsonEvent]()} {
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "" {
				words = append(words, name)
			}
		}
	}
	for _, w := range words {
		if !strings.Contains(string(page), "`"+w+"`") {
			t.Errorf("docs/progress.md does not describe `%s`", w)
		}
	}
}

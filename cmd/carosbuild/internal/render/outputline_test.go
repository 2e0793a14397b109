// SPDX-License-Identifier: MPL-2.0

package render

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// TestOutputLine: the short way gives what the long one does, or leaves it to that.
func TestOutputLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 60, time.FixedZone("", 3600))
	for _, tt := range []struct {
		e    progress.Event
		want bool
	}{
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "x y"}, true},
		{progress.Event{Time: at.UTC(), Kind: progress.StepOutput, Stage: "a-1", Text: "[1/2] 'x' ~ / { }"}, true},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "##[group]"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "\x1b[0m"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "ü"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "\""}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "\\"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "<b>"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a"}, false},
		{progress.Event{Time: at, Kind: progress.StepOutput, Stage: "a", Text: "x", Step: 1}, false},
		{progress.Event{Time: at, Kind: progress.Note, Text: "x"}, false},
	} {
		got, ok := outputLine(tt.e)
		if ok != tt.want {
			t.Errorf("%+v: %t", tt.e, ok)
		}
		long, err := json.Marshal(Event{Event: tt.e})
		if err != nil {
			t.Fatal(err)
		}
		if want := string(terminal.JSON(long)) + "\n"; ok && string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func BenchmarkWriteEvent(b *testing.B) {
	e := Event{Event: progress.Event{Time: time.Now(), Kind: progress.StepOutput, Stage: "base", Text: "Unpacking libc6:amd64 (2.36-9) over (2.36-8) ..."}}
	for b.Loop() {
		WriteEvent(discard{}, e)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
